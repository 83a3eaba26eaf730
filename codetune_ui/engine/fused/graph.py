"""A pass as one launch: the GPU replays a recording of it, whatever the batch, from fixed places.

A pass is some three thousand small programs; starting each from Python takes longer than a small
card's micro-batch takes to compute. So each size of batch is recorded once, as a CUDA graph. What
varies is padded: examples to a multiple of 16 (empty ones at the end), targets to a quarter of
the tokens (ones that ask nothing). All recordings share one pool of memory: they never run at once,
and their results are copied out at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from codetune_ui.engine.fused.attention import Borders
from codetune_ui.engine.fused.decoder import Batch, FusedDecoder
from codetune_ui.engine.fused.loss import Targets

EXAMPLES = 16  # a size is a multiple of so many
PARTS = 4  # of the tokens that targets are padded to


@dataclass(frozen=True)
class Size:
    """What a recording is for: a job, tokens, and room for examples and targets."""

    learns: bool
    tokens: int
    examples: int
    targets: int

    @classmethod
    def of(cls, batch: Batch, *, learns: bool) -> Size:
        """Return the smallest size that holds a batch."""
        tokens = len(batch.ids)
        part = max(1, tokens // PARTS)
        return cls(
            learns,
            tokens,
            math.ceil((len(batch.borders.ends) - 1) / EXAMPLES) * EXAMPLES,
            min(tokens, max(1, math.ceil(len(batch.targets.ids) / part)) * part),
        )


@dataclass(frozen=True)
class Recording:
    """A graph with the places that it reads and the one that it writes."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    scale: Tensor
    nll: Tensor


class GraphedDecoder:
    """A `FusedDecoder` whose passes are recorded; for the rest the same."""

    def __init__(self, decoder: FusedDecoder) -> None:
        self.decoder = decoder
        self._recordings: dict[Size, Recording] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self.begin, self.end = decoder.begin, decoder.end

    def loss(self, batch: Batch) -> Tensor:
        """See `FusedDecoder.loss`."""
        return self._run(batch, torch.ones((), device=batch.ids.device), learns=False)

    def add(self, batch: Batch, scale: Tensor) -> Tensor:
        """See `FusedDecoder.add`."""
        return self._run(batch, scale, learns=True)

    def _run(self, batch: Batch, scale: Tensor, *, learns: bool) -> Tensor:
        size = Size.of(batch, learns=learns)
        padded = pad(batch, size)
        recording = self._recordings.get(size)
        if recording is None:
            # Computed plainly once: it compiles what is new, and it is this batch's own pass.
            nll = self._pass(padded, scale, learns=learns)
            self._recordings[size] = self._record(padded, scale, size)
            return nll
        for place, value in zip(_tensors(recording.batch), _tensors(padded), strict=True):
            place.copy_(value, non_blocking=True)
        recording.scale.copy_(scale)
        recording.graph.replay()
        return recording.nll.clone()

    def _pass(self, batch: Batch, scale: Tensor, *, learns: bool) -> Tensor:
        return self.decoder.add(batch, scale) if learns else self.decoder.loss(batch)

    def _record(self, padded: Batch, scale: Tensor, size: Size) -> Recording:
        batch = _with_tensors(padded, [value.clone() for value in _tensors(padded)])
        scale = scale.clone()
        nll = torch.zeros((), dtype=torch.float32, device=scale.device)
        torch.cuda.empty_cache()  # what the plain pass took is the recording's to take
        graph = torch.cuda.CUDAGraph()
        full: torch.OutOfMemoryError | None = None
        with torch.cuda.graph(graph, pool=self._pool):
            try:
                nll.copy_(self._pass(batch, scale, learns=size.learns))
            except torch.OutOfMemoryError as error:  # the recording has to be ended all the same
                full = error
        if full is not None:
            raise full
        return Recording(graph, batch, scale, nll)


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
