"""Writing text with a base and its adapters, several rows at a time, each with its own adapter.

A prompt goes through the blocks at once (engine/fused/reader.py); its keys and values stay in a
cache of fixed size. From then on one step writes one token per row. On a GPU a step is recorded
once as a CUDA graph, whose replay costs one launch instead of hundreds, and each token feeds the
next step without a look from the host.

The keys and values of a row's last prompt stay until the row is needed: a prompt that goes on from
the same tokens with the same adapter is read from the first token that differs. What is written
comes behind them, so they are there while the row is being written, too.

What truly follows a prompt can be read with it, to learn how likely it is. Its keys and values lie
behind the prompt's end, where the first tokens that are written take their places; attention never
looks beyond the token at hand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from codetune_ui.engine.fused import decode_ops
from codetune_ui.engine.fused.decode_ops import Uses
from codetune_ui.engine.fused.inference import SLOTS, Loras, Weights
from codetune_ui.engine.fused.kept import Held
from codetune_ui.engine.fused.ops import operations
from codetune_ui.engine.fused.prompts import Prompt, Text
from codetune_ui.engine.fused.reader import Reader
from codetune_ui.engine.fused.recordings import Recordings

ROWS = 2  # texts that are written at once: base and adapter side by side
CHUNK = 8  # steps that a GPU makes without a look from the host
FEW_KEPT = 32  # a shared beginning that is hardly worth keeping: a licence, an import or two
CACHE_SHARE = 0.25  # of a GPU's free memory that more than two rows may take


@dataclass(frozen=True)
class Begun:
    """The likeliest token after a prompt, and the losses in nats of what is known to follow.

    kept: tokens of the prompt that were not read again.
    """

    token: int
    losses: list[float]
    kept: int = 0


class Decoder:
    """A model that writes, and the state of its rows.

    Raises `UnfitError` for a base that the fused blocks do not cover.
    """

    def __init__(self, base: Any, vocabulary: int, longest: int, rows: int = ROWS) -> None:
        """Take a base over; texts have at most `longest` tokens, ids below `vocabulary`.

        rows: texts that can be written at once, fewer where a GPU has no room for so many.
        """
        self.weights = Weights(base, vocabulary, longest)
        self.longest = longest
        self.chunk = CHUNK if self.weights.device.type == "cuda" else 1
        """The most steps between two looks at what was written."""
        device = self.weights.device
        self.ops: ModuleType = operations(device)
        heads = self.weights.layers[0].heads
        shape = [len(self.weights.layers), 2, 1, longest, heads.key_count, heads.width]
        self.row_bytes = math.prod(shape) * self.weights.dtype.itemsize
        """Memory of one row's keys and values."""
        self.rows = shape[2] = rows = _rows_with_room(rows, self.row_bytes, device)
        self._cache = torch.zeros(shape, dtype=self.weights.dtype, device=device)
        self.tokens = torch.zeros(rows, dtype=torch.int64, device=device)
        """Each row's last token: the next step's input."""
        self.logits = torch.zeros((rows, len(self.weights.head)), device=device)
        """What each row's next token was chosen from, in fp32."""
        self._at = torch.zeros(rows, dtype=torch.int64, device=device)
        self._masks = torch.zeros((rows, SLOTS), dtype=self.weights.dtype, device=device)
        self._written = torch.zeros((CHUNK, rows), dtype=torch.int64, device=device)
        self._step_number = torch.zeros(1, dtype=torch.int64, device=device)
        self._slots: dict[int, int | None] = {}  # of each row that is being written
        self._held = [Held() for _ in range(rows)]
        self._recordings = Recordings()
        self._reader = Reader(self.weights, self._cache, self._masks, self._recordings)

    def add(self, name: str, loras: Loras) -> None:
        """Keep an adapter under a name. Raises `UnfitError` when it is not one of the blocks."""
        self._held = [Held() if held.adapter == name else held for held in self._held]
        if self.weights.add(name, loras):
            self._recordings.forget()  # they know the old buffers

    # --- rows

    def end(self, row: int) -> None:
        """Leave a row to the next text."""
        self._slots.pop(row, None)

    @torch.inference_mode()
    def begin(self, prompts: Sequence[Prompt]) -> list[Begun]:
        """Read prompts into their rows, in one pass."""
        for prompt in prompts:
            if len(prompt.read) > self.longest:
                raise ValueError(f"{len(prompt.read)} tokens do not fit into {self.longest}.")
        kept = []
        for prompt in prompts:
            kept.append(self._keep(prompt))
            self._slots[prompt.row] = self._slot(prompt)
        texts = [Text.of(prompt, count) for prompt, count in zip(prompts, kept, strict=True)]
        adapted = any(self._slots[prompt.row] is not None for prompt in prompts)
        logits = self._reader.logits(texts, self._slots_used() if adapted else 0)
        rows = torch.tensor([prompt.row for prompt in prompts], device=logits.device)
        lengths = torch.tensor([len(prompt.ids) for prompt in prompts], device=logits.device)
        counts = [prompt.asked for prompt in prompts]
        starts = list(itertools.accumulate(counts[:-1], initial=0))
        first = logits[starts]
        best = first.argmax(-1)
        self.logits.index_copy_(0, rows, first)
        self.tokens.index_copy_(0, rows, best)
        self._at.index_copy_(0, rows, lengths)
        for prompt in prompts:
            # A row that is not used is written on at the end of the cache: that place is not kept.
            self._held[prompt.row] = Held(prompt.adapter, prompt.ids[: self.longest - 1])
        losses = _losses(logits, prompts, counts)
        return [Begun(*found) for found in zip(best.tolist(), losses, kept, strict=True)]

    # --- what is kept of earlier prompts

    def known(self, prompt: Prompt) -> int:
        """Return how many first tokens of a prompt need not be read."""
        return self._source(prompt)[1] if prompt.reuse else 0

    def _source(self, prompt: Prompt) -> tuple[int, int]:
        """Return the row that holds most of a prompt's beginning, and how many tokens of it.

        Of several the prompt's own; the last token is always read, for what follows it.
        """
        most = len(prompt.ids) - 1
        counts = [min(held.shared(prompt.adapter, prompt.ids), most) for held in self._held]
        best = max(range(self.rows), key=lambda row: (counts[row], row == prompt.row))
        return best, counts[best]

    def _keep(self, prompt: Prompt) -> int:
        """Bring the longest known beginning of a prompt into its row; return its length."""
        row = prompt.row
        source, count = self._source(prompt) if prompt.reuse else (row, 0)
        if source != row and source in self._slots:  # it is being written: it stays as it is
            self._cache[:, :, row, :count] = self._cache[:, :, source, :count]
            self._held[row] = Held(prompt.adapter, prompt.ids[:count])
        elif source != row:
            self._swap(row, source)
        elif prompt.reuse and count < FEW_KEPT and (spare := self._spare(row)) is not None:
            self._swap(row, spare)  # what lay here may be asked for next
            self._cache[:, :, row, :count] = self._cache[:, :, spare, :count]
        # Only the beginning is as it was from now on, should the reading break off.
        self._held[row] = Held(prompt.adapter, prompt.ids[:count])
        return count

    def _spare(self, row: int) -> int | None:
        """Return the unused row whose prompt is the oldest, None when it is this one."""
        spare = [one for one in range(self.rows) if one == row or one not in self._slots]
        oldest = min(spare, key=lambda one: self._held[one].number)
        return None if oldest == row else oldest

    def _swap(self, one: int, other: int) -> None:
        """Exchange what two rows hold; neither is being written."""
        length = max(len(self._held[one].ids), len(self._held[other].ids))
        rows = torch.tensor([one, other], device=self._cache.device)
        swapped = self._cache[:, :, rows.flip(0), :length]
        self._cache[:, :, rows, :length] = swapped
        self._held[one], self._held[other] = self._held[other], self._held[one]
        # An unused row may be written on beside others: behind what it holds.
        self._at[other] = len(self._held[other].ids)

    def _slot(self, prompt: Prompt) -> int | None:
        slot = None
        self._masks[prompt.row].zero_()
        if prompt.adapter is not None:
            used = [held for held in self._slots.values() if held is not None]
            slot = self.weights.slot(prompt.adapter, used)
            self._masks[prompt.row, slot] = 1.0
        return slot

    def choose(self, row: int, token: int) -> None:
        """Let a row go on from another token than the likeliest."""
        self.tokens[row] = token

    # --- steps

    @torch.inference_mode()
    def write(self, steps: int) -> list[list[int]]:
        """Write so many likeliest tokens (at most `CHUNK`); return each row's, in their order."""
        self._step_number.zero_()
        rows, slots = self._rows_used(), self._slots_used()
        for _ in range(steps):
            if self._cache.is_cuda:
                self._recordings.run((rows, slots), lambda: self._step(rows, slots))
            else:
                self._step(rows, slots)
        found: list[list[int]] = self._written[:steps].T.tolist()
        return found

    def _rows_used(self) -> int:
        used = max(self._slots, default=0) + 1
        if self._cache.is_cuda:  # a graph for each count would be captured as the last rows end
            used = min(self.rows, 1 << (used - 1).bit_length())
        return used

    def _slots_used(self) -> int:
        return max((slot + 1 for slot in self._slots.values() if slot is not None), default=0)

    def _step(self, rows: int, slots: int) -> None:
        """One token for each row: all that is read and written lies at a fixed place."""
        w = self.weights
        tokens, at = self.tokens[:rows], self._at[:rows]
        uses = Uses(self._masks[:rows, :slots]) if slots else None
        stream, delta = w.embed(tokens, at), None
        for layer, (keys, values) in zip(w.layers, self._cache, strict=True):
            stream, y = decode_ops.add_norm(stream, delta, layer.attention_norm, self.ops)
            qkv = decode_ops.place(
                layer.qkv.product(y, uses), keys, values, at, w.angles, layer.heads
            )
            y = decode_ops.attend_cached(qkv, keys, values, at, layer.heads)
            stream, y = decode_ops.add_norm(
                stream, layer.out.product(y, uses), layer.mlp_norm, self.ops
            )
            inside = decode_ops.activate(layer.up.product(y, uses), layer.activation)
            delta = layer.down.product(inside, uses)
        _, y = decode_ops.add_norm(stream, delta, w.final_norm, self.ops)
        logits = w.score(y)
        self.logits[:rows].copy_(logits)
        torch.argmax(logits, -1, out=tokens)
        self._written[:, :rows].index_copy_(0, self._step_number, tokens[None])
        self._step_number.add_(1)
        # A row that has ended is written on while others are; it must not leave the cache.
        at.add_(1).clamp_(max=self.longest - 1)


def _rows_with_room(rows: int, row_bytes: int, device: torch.device) -> int:
    """Return how many rows there can be: those asked for, or what a GPU's free memory holds."""
    if device.type != "cuda" or rows <= ROWS:
        return rows
    free, _ = torch.cuda.mem_get_info(device)
    return max(ROWS, min(rows, int(free * CACHE_SHARE) // row_bytes))


def _losses(logits: Tensor, prompts: Sequence[Prompt], counts: Sequence[int]) -> list[list[float]]:
    """Return the losses of what is known; logits (tokens, vocabulary), so many of each prompt."""
    found: list[list[float]] = []
    for prompt, part in zip(prompts, torch.split(logits, list(counts)), strict=True):
        if not prompt.known:
            found.append([])
            continue
        known = torch.tensor(list(prompt.known), device=part.device)
        chances = part.log_softmax(-1)
        found.append((-chances.gather(1, known[:, None])).squeeze(1).tolist())
    return found
