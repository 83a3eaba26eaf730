"""Optimizer steps of the fused path: rows in, cut into passes; loss and gradients out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from codetune_ui.core.pack import Row
from codetune_ui.core.ways import Way
from codetune_ui.engine.fused.block import Keep
from codetune_ui.engine.fused.decoder import Batch, FusedDecoder
from codetune_ui.engine.fused.graph import GraphedDecoder
from codetune_ui.engine.rows import flatten

Done = TypeVar("Done")


class FusedSteps:
    """Computes whole steps on a `FusedDecoder`, in the way that was chosen.

    Where the memory does not suffice after all (another program took some of it), what was recorded
    is forgotten, and then the step is made again in the first of the `smaller` ways that fits, and
    so are those after it.
    """

    def __init__(self, decoder: FusedDecoder, way: Way, smaller: Sequence[Way] = ()) -> None:
        self.decoder = decoder
        self._smaller = list(smaller)
        self.take(way)

    def take(self, way: Way) -> None:
        """Go on in another way: what was recorded for the last one is forgotten."""
        self.way = way
        blocks = len(self.decoder.parts.blocks)
        # The first blocks are computed again: when their turn comes on the way back, what the
        # others kept is gone.
        again = blocks - round(blocks * (1 - way.again))
        self.decoder.keep([Keep.STREAM] * again + [Keep.ALL] * (blocks - again))
        if self.decoder.device.type == "cuda":
            self._passes: GraphedDecoder | FusedDecoder = self.decoder  # the last recordings go
            torch.cuda.empty_cache()
            self._passes = GraphedDecoder(self.decoder)
        else:
            self._passes = self.decoder

    def step(self, rows: Sequence[Row], of: int = 0) -> tuple[Tensor, int]:
        """Leave the rows' gradients, per target token of the step, in the parameters.

        of: the targets of the whole step, where these rows are not all of it. Returns the summed
        loss (on the device, nothing is waited for) and the count of these rows' targets.
        """
        return self._with_room(lambda: self._step(rows, of))

    def _with_room(self, do: Callable[[], Done]) -> Done:
        while True:
            try:
                return do()
            except torch.OutOfMemoryError as error:
                full = str(error)
            self._make_room(full)  # outside: the error holds the pass's tensors

    def _make_room(self, full: str) -> None:
        """Let what was recorded go, or go on in a smaller way; raise where neither is left."""
        if isinstance(self._passes, GraphedDecoder) and self._passes.forget():
            return
        if not self._smaller:
            raise torch.OutOfMemoryError(full)
        self.take(self._smaller.pop(0))

    def _step(self, rows: Sequence[Row], of: int) -> tuple[Tensor, int]:
        batches = self._batches(rows)
        targets = sum(len(batch.targets.ids) for batch in batches)
        scale = torch.full((), 1 / max(1, of or targets), device=self.decoder.device)
        total = torch.zeros((), device=self.decoder.device)
        self._passes.begin()
        for batch in batches:
            total += self._passes.add(batch, scale)
        self._passes.end()
        return total, targets

    def loss(self, rows: Sequence[Row]) -> tuple[Tensor, int]:
        """Return the summed loss of rows and the count of their targets, without learning."""
        return self._with_room(lambda: self._loss(rows))

    def _loss(self, rows: Sequence[Row]) -> tuple[Tensor, int]:
        batches = self._batches(rows)
        self._passes.begin()
        losses = [self._passes.loss(batch) for batch in batches]
        return torch.stack(losses).sum(), sum(len(batch.targets.ids) for batch in batches)

    def look(self, row: Row, vocabulary: int) -> tuple[Tensor, Tensor]:
        """Return the loss of each target of a row, and the likeliest token in its place."""
        return self._with_room(lambda: self._look(row, vocabulary))

    def _look(self, row: Row, vocabulary: int) -> tuple[Tensor, Tensor]:
        batch = on_device(flatten([row]), self.decoder.device)
        self._passes.begin()
        return self._passes.look(batch, vocabulary)

    def _batches(self, rows: Sequence[Row]) -> list[Batch]:
        count = self.way.rows
        return [
            on_device(flatten(rows[start : start + count]), self.decoder.device)
            for start in range(0, len(rows), count)
        ]


def on_device(inputs: dict[str, Any], device: torch.device) -> Batch:
    """Bring what `rows.flatten` laid out to the device, without waiting for it."""
    if device.type != "cuda":
        return Batch.of(inputs)
    return Batch.of(
        {
            name: value.pin_memory().to(device, non_blocking=True)
            if isinstance(value, Tensor)
            else value
            for name, value in inputs.items()
        }
    )
