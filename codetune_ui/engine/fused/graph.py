"""A pass as one launch: the GPU replays a recording of it, whatever the batch, from fixed places.

A pass is some three thousand small programs; starting each from Python takes longer than a small
card's micro-batch takes to compute. So each size of batch is recorded once, as a CUDA graph. What
varies is padded: examples to a multiple of 16 (empty ones at the end), targets to a quarter of
the tokens (ones that ask nothing). All recordings share one pool of memory: they never run at once,
and their results are copied out at once. Still, a pass of a new size runs once beside what the pool
holds. Where that is too much, all recordings are forgotten, and sizes are joined from then on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from codetune_ui.engine.fused.attention import Borders
from codetune_ui.engine.fused.decoder import Batch, FusedDecoder
from codetune_ui.engine.fused.loss import Targets
from codetune_ui.engine.fused.recordings import record

EXAMPLES = 16  # a size is a multiple of so many
PARTS = 4  # of the tokens that targets are padded to
Job = Literal["learn", "loss", "look"]


@dataclass(frozen=True)
class Size:
    """What a recording is for: a job, tokens, and room for examples and targets.

    vocabulary: how many tokens a look chooses from.
    """

    job: Job
    tokens: int
    examples: int
    targets: int
    vocabulary: int = 0

    @classmethod
    def of(cls, batch: Batch, job: Job, vocabulary: int = 0) -> Size:
        """Return the smallest size that holds a batch."""
        tokens = len(batch.ids)
        part = max(1, tokens // PARTS)
        return cls(
            job,
            tokens,
            math.ceil((len(batch.borders.ends) - 1) / EXAMPLES) * EXAMPLES,
            min(tokens, max(1, math.ceil(len(batch.targets.ids) / part)) * part),
            vocabulary,
        )

    def joined(self, other: Size) -> Size:
        """Return the smallest size of this one's kind that holds what either holds."""
        examples, targets = max(self.examples, other.examples), max(self.targets, other.targets)
        return replace(self, examples=examples, targets=targets)


@dataclass(frozen=True)
class Recording:
    """A graph with the places that it reads and those that it writes."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    scale: Tensor
    found: tuple[Tensor, ...]


class GraphedDecoder:
    """A `FusedDecoder` whose passes are recorded; for the rest the same."""

    def __init__(self, decoder: FusedDecoder) -> None:
        self.decoder = decoder
        self._recordings: dict[Size, Recording] = {}
        self._largest: dict[tuple[Job, int], Size] = {}  # by job and tokens
        self._joins = False
        self._pool = torch.cuda.graph_pool_handle()
        self.begin, self.end = decoder.begin, decoder.end

    def loss(self, batch: Batch) -> Tensor:
        """See `FusedDecoder.loss`."""
        return self._run(batch, Size.of(batch, "loss"))[0]

    def add(self, batch: Batch, scale: Tensor) -> Tensor:
        """See `FusedDecoder.add`."""
        return self._run(batch, Size.of(batch, "learn"), scale)[0]

    def look(self, batch: Batch, vocabulary: int) -> tuple[Tensor, Tensor]:
        """See `FusedDecoder.look`."""
        count = len(batch.targets.ids)
        losses, likeliest = self._run(batch, Size.of(batch, "look", vocabulary))
        return losses[:count], likeliest[:count]

    def forget(self) -> bool:
        """Give the recordings' memory back, and record one size of a kind from now on.

        Returns False where nothing was recorded.
        """
        if not self._recordings:
            return False
        self._joins = True
        self._recordings.clear()
        self._pool = torch.cuda.graph_pool_handle()  # the memory goes with the last recording
        torch.cuda.empty_cache()
        return True

    def _fitting(self, size: Size) -> Size:
        kind = (size.job, size.tokens)
        largest = size.joined(self._largest.get(kind, size))
        self._largest[kind] = largest
        return largest if self._joins else size

    def _run(self, batch: Batch, size: Size, scale: Tensor | None = None) -> tuple[Tensor, ...]:
        size = self._fitting(size)
        padded = pad(batch, size)
        scale = torch.ones((), device=batch.ids.device) if scale is None else scale
        recording = self._recordings.get(size)
        if recording is None:
            # Computed plainly once: it compiles what is new, and it is this batch's own pass.
            found = self._pass(padded, scale, size)
            self._recordings[size] = self._record(padded, scale, size)
            return found
        for place, value in zip(_tensors(recording.batch), _tensors(padded), strict=True):
            place.copy_(value, non_blocking=True)
        recording.scale.copy_(scale)
        recording.graph.replay()
        return tuple(one.clone() for one in recording.found)

    def _pass(self, batch: Batch, scale: Tensor, size: Size) -> tuple[Tensor, ...]:
        if size.job == "look":
            return self.decoder.look(batch, size.vocabulary)
        learns = size.job == "learn"
        return (self.decoder.add(batch, scale) if learns else self.decoder.loss(batch),)

    def _record(self, padded: Batch, scale: Tensor, size: Size) -> Recording:
        batch = _with_tensors(padded, [value.clone() for value in _tensors(padded)])
        scale = scale.clone()
        torch.cuda.empty_cache()  # what the plain pass took is the recording's to take
        graph, found = record(partial(self._pass, batch, scale, size), self._pool)
        return Recording(graph, batch, scale, found)


def pad(batch: Batch, size: Size) -> Batch:
    """Return the batch with as many examples and targets as the size has room for.

    The added examples are empty. The added targets are asked of the last token, after which none
    can be, and ask nothing (-1).
    """
    examples = size.examples - (len(batch.borders.ends) - 1)
    targets = size.targets - len(batch.targets.ids)
    return Batch(
        batch.ids,
        batch.positions,
        Borders((), _grown(batch.borders.ends, examples, size.tokens), batch.borders.longest),
        Targets(
            _grown(batch.targets.places, targets, size.tokens - 1),
            _grown(batch.targets.ids, targets, -1),
        ),
    )


def _grown(tensor: Tensor, more: int, value: int) -> Tensor:
    return torch.cat([tensor, tensor.new_full((more,), value)])


def _tensors(batch: Batch) -> list[Tensor]:
    targets = batch.targets
    return [batch.ids, batch.positions, batch.borders.ends, targets.places, targets.ids]


def _with_tensors(batch: Batch, tensors: list[Tensor]) -> Batch:
    ids, positions, ends, places, targets = tensors
    borders = Borders((), ends, batch.borders.longest)
    return Batch(ids, positions, borders, Targets(places, targets))
