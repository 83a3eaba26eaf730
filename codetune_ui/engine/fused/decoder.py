"""The whole model of the fused path: a batch in; its loss, and gradients in the parameters, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from codetune_ui.engine.fused.adapter import Adapter
from codetune_ui.engine.fused.attention import Borders
from codetune_ui.engine.fused.block import Keep, Pass
from codetune_ui.engine.fused.build import Parts, take_apart
from codetune_ui.engine.fused.loss import Targets, head_loss, head_loss_and_grad, looked
from codetune_ui.engine.fused.ops import operations

LOGIT_BYTES = 512 * 2**20  # of one piece of logits


@dataclass(frozen=True)
class Batch:
    """Rows laid out flat on the device: ids and positions (tokens,), borders, and targets."""

    ids: Tensor
    positions: Tensor
    borders: Borders
    targets: Targets

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> Batch:
        """Take it from what `rows.flatten` laid out."""
        return cls(
            inputs["input_ids"],
            inputs["position_ids"],
            Borders(tuple(inputs["lengths"]), inputs["ends"], inputs["longest"]),
            Targets(inputs["places"], inputs["targets"]),
        )


class FusedDecoder:
    """Forward and backward of a PEFT model by hand.

    The adapter's parameters stay the PEFT model's; everything else is frozen and only referred to.
    A step is `begin`, `add` for each of its batches, `end`. Raises `UnfitError` where the plain
    path is needed.
    """

    def __init__(self, tuned: Any, dtype: torch.dtype, max_seq_len: int) -> None:
        self.parts: Parts = take_apart(tuned, dtype, max_seq_len)
        self.device = self.parts.head.device
        self.ops = operations(self.device)
        self.adapter = Adapter(group for block in self.parts.blocks for group in block.groups)
        vocabulary = self.parts.head.shape[0]
        self.piece = max(256, LOGIT_BYTES // (vocabulary * self.parts.head.element_size()))

    def keep(self, levels: Sequence[Keep]) -> None:
        """Set what each block keeps for its backward pass."""
        for block, level in zip(self.parts.blocks, levels, strict=True):
            block.keep = level

    def begin(self) -> None:
        """Take the adapter over; before a step's first batch, and before a measurement."""
        self.adapter.take()

    def end(self) -> None:
        """Leave the step's gradients in the parameters."""
        self.adapter.give()

    @torch.no_grad()
    def loss(self, batch: Batch) -> Tensor:
        """Return the summed loss of a batch, without gradients."""
        return head_loss(self._states(batch), self.parts.head, batch.targets, self.piece)

    @torch.no_grad()
    def look(self, batch: Batch, vocabulary: int) -> tuple[Tensor, Tensor]:
        """Return the loss of each target, and the likeliest of so many tokens in its place."""
        y, wanted = self._states(batch), (batch.targets.places, batch.targets.ids)
        found = []
        for places, ids in zip(*(torch.split(one, self.piece) for one in wanted), strict=True):
            logits = y.index_select(0, places) @ self.parts.head.T
            found.append(looked(logits[:, :vocabulary], ids))
            del logits  # before the next piece: two of them would lie there at once
        losses, likeliest = zip(*found, strict=True)
        return torch.cat(losses), torch.cat(likeliest)

    def _states(self, batch: Batch) -> Tensor:
        stream, shared = self._embed(batch)
        delta: Tensor | None = None
        for block in self.parts.blocks:
            stream, delta, _ = block.forward(stream, delta, shared)
        return self._last_norm(stream, delta)[1]

    @torch.no_grad()
    def add(self, batch: Batch, scale: Tensor) -> Tensor:
        """Return the summed loss of a batch and add its gradients, times `scale`, to the step's."""
        stream, shared = self._embed(batch)
        delta: Tensor | None = None
        kept = []
        for block in self.parts.blocks:
            stream, delta, one = block.forward(stream, delta, shared)
            kept.append(one)
        stream, y = self._last_norm(stream, delta)
        del delta
        nll, dy = head_loss_and_grad(y, self.parts.head, batch.targets, self.piece)
        norm = self.parts.final_norm
        d_stream, _ = self.ops.norm_grad(
            dy.mul_(scale), stream, norm.weight, norm.bias, norm.eps, None, centred=norm.centred
        )
        del y, dy, stream
        for block in reversed(self.parts.blocks):
            d_stream = block.backward(d_stream, kept.pop(), shared)
        return nll

    def _embed(self, batch: Batch) -> tuple[Tensor, Pass]:
        stream = torch.nn.functional.embedding(batch.ids, self.parts.tokens)
        if self.parts.positions is not None:
            stream = stream + torch.nn.functional.embedding(batch.positions, self.parts.positions)
        angles = None
        if self.parts.rotary is not None:
            cos, sin = self.parts.rotary(stream, batch.positions[None])
            angles = cos[0], sin[0]
        return stream, Pass(batch.borders, angles)

    def _last_norm(self, stream: Tensor, delta: Tensor | None) -> tuple[Tensor, Tensor]:
        norm = self.parts.final_norm
        found: tuple[Tensor, Tensor] = self.ops.add_norm(
            stream, delta, norm.weight, norm.bias, norm.eps, centred=norm.centred
        )
        return found
