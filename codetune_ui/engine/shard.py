"""A frozen base whose layers are divided among the processes, for one that does not fit a card.

Each process keeps its part of every layer's bytes. A layer is gathered whole just before it is
used, forward and on the way back, while the layer before it still computes:

  kept for good      part r of n of each layer, one flat piece of bytes a layer
  places 0 and 1     layer k lies in place k mod 2 while it is used, whole
  all else           embeddings, head, norm, adapter: whole on each, as without this

Weights are views into the two places and never move, so nothing that uses them knows: bitsandbytes'
packed weights go with their scales, whatever they are stored in, and autograd's saved weights are
those of the layer that lies there. The memory is the same from the first step to the last.

torch's FSDP2 computes the same (see tests/bench/LOG.md), but a gathering is a call that all make in
the same order, and its order is its own. Here it is known which comes next. So a process that has
nothing to compute, or no memory to do it, walks along with the others: see `passes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from codetune_ui.engine.ranks import Ranks
from codetune_ui.engine.trouble import is_lack_of_memory

PLACES = 2
ALIGNED = 256  # bytes: as torch's own allocator begins a tensor, for the kernels' sake


class WholeBase:
    """A base that each process has whole: there is nothing to gather, and nobody to walk with."""

    parts = 1

    @contextmanager
    def passes(self, count: int, *, back: bool, then: int = 0) -> Iterator[None]:  # noqa: ARG002
        """Let some passes through the model be made."""
        yield


WHOLE = WholeBase()


@dataclass(frozen=True)
class Piece:
    """One tensor of a layer: how it is put back, where its bytes begin, and what they are."""

    put: Callable[[Tensor], None]
    start: int
    bytes: int
    dtype: torch.dtype
    shape: torch.Size


@dataclass(frozen=True)
class Part:
    """One process's part of a layer, and how the whole is read."""

    own: Tensor
    pieces: list[Piece]
    whole_bytes: int


class SplitBase(WholeBase):
    """The layers of a base, divided: `take` each in turn, then `settle`, then train."""

    def __init__(self, ranks: Ranks, device: torch.device) -> None:
        self.parts = ranks.size
        self._ranks = ranks
        self._device = device
        self._layers: list[Part] = []
        self._places: list[Tensor] = []
        self._lies: list[int | None] = [None] * PLACES
        self._coming: dict[int, Callable[[], None]] = {}
        self._needed = 0  # layers asked for so far, of all passes
        self._back: int | None = None  # the layer that the way back has come to

    @property
    def own_bytes(self) -> int:
        """What this process keeps of the layers."""
        return sum(layer.own.numel() for layer in self._layers)

    @property
    def held_bytes(self) -> int:
        """The same with the two places where layers are put together."""
        return self.own_bytes + sum(place.numel() for place in self._places)

    @property
    def whole_bytes(self) -> int:
        """What the layers of all processes are together."""
        return sum(layer.whole_bytes for layer in self._layers)

    # --- dividing

    @torch.no_grad()
    def take(self, layer: nn.Module) -> None:
        """Keep this process's part of the next layer, and let go of the rest."""
        found = list(frozen_tensors(layer))
        pieces, end = [], 0
        for tensor, put in found:
            size = tensor.numel() * tensor.element_size()
            pieces.append(Piece(put, end, size, tensor.dtype, tensor.shape))
            end += _round_up(size, ALIGNED)
        whole = _round_up(end, ALIGNED * self.parts)
        flat = torch.zeros(whole, dtype=torch.uint8, device=self._device)
        for piece, (tensor, put) in zip(pieces, found, strict=True):
            flat[piece.start : piece.start + piece.bytes] = _bytes_of(tensor)
            put(torch.empty(0, dtype=piece.dtype, device=self._device))
        own = flat.chunk(self.parts)[self._ranks.seat.rank].clone()
        self._layers.append(Part(own, pieces, whole))

    def settle(self, layers: nn.ModuleList, around: nn.Module) -> None:
        """Make the places and let the layers, all of which were taken, gather themselves.

        around: the module that calls them in their order, once in each forward pass.
        """
        largest = max(part.whole_bytes for part in self._layers)
        self._places = [
            torch.empty(largest, dtype=torch.uint8, device=self._device) for _ in range(PLACES)
        ]
        for index, part in enumerate(self._layers):
            for piece in part.pieces:
                there = self._places[index % PLACES][piece.start : piece.start + piece.bytes]
                piece.put(there.view(piece.dtype).view(piece.shape))
        around.register_forward_pre_hook(lambda *_: self._begin())
        for index, layer in enumerate(layers):
            layer.register_forward_pre_hook(self._before(index))
            layer.register_forward_hook(self._after(index))

    # --- gathering

    @contextmanager
    def passes(self, count: int, *, back: bool, then: int = 0) -> Iterator[None]:
        """Take part in some passes through the model that all processes make, with a way back.

        At the end of the block this process walks along with those that it has not made itself;
        where its memory did not suffice also with `then` further ones, and the error goes on.
        """
        self._begin()
        start = self._needed
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if is_lack_of_memory(error):
                self._walk(start, count + then, back=back)
            raise
        self._walk(start, count, back=back)

    def _walk(self, start: int, passes: int, *, back: bool) -> None:
        """Gather what the other processes gather from here to the end of so many passes."""
        layers = len(self._layers)
        each = 2 * layers if back else layers
        while (made := self._needed - start) < passes * each:
            number = made % each
            if number < layers:
                self._need(number, number + 1)
            else:
                self._need(each - 1 - number, each - 2 - number)

    def _begin(self) -> None:
        self._back = None

    def _before(self, index: int) -> Callable[..., None]:
        def gather(*_: Any) -> None:
            # Computed again on the way back: it lies there already, and the one before it comes.
            if self._back != index:
                self._need(index, index + 1)

        return gather

    def _after(self, index: int) -> Callable[..., None]:
        def gather(_gradient: Tensor) -> None:
            if self._back != index:
                self._back = index
                self._need(index, index - 1)

        def watch(_layer: nn.Module, _given: Any, result: Any) -> None:
            stream = result[0] if isinstance(result, tuple) else result
            if stream.requires_grad:
                stream.register_hook(gather)

        return watch

    def _need(self, index: int, following: int) -> None:
        """Wait until a layer lies in its place; let the following one, if there is, come."""
        self._needed += 1
        self._send_for(index)
        if wait := self._coming.pop(index % PLACES, None):
            wait()
        if 0 <= following < len(self._layers):
            self._send_for(following)

    def _send_for(self, index: int) -> None:
        place = index % PLACES
        if self._lies[place] == index:
            return
        if wait := self._coming.pop(place, None):
            wait()
        layer = self._layers[index]
        # What still computes with the layer that lies there was asked for earlier, on the same
        # stream: the gathering begins when that is done. By `.data`, for autograd counts writes.
        there = self._places[place][: layer.whole_bytes].data
        self._lies[place] = index
        self._coming[place] = self._ranks.gather(there, layer.own)


def find_layers(model: nn.Module) -> tuple[nn.Module, nn.ModuleList]:
    """Return a model's list of layers and the module that calls them: the largest there is."""
    found = [
        (sum(weight.numel() for weight in child.parameters()), parent, child)
        for parent in model.modules()
        for child in parent.children()
        if isinstance(child, nn.ModuleList)
    ]
    _, around, layers = max(found, key=lambda one: one[0])
    return around, layers


def frozen_tensors(layer: nn.Module) -> Iterator[tuple[Tensor, Callable[[Tensor], None]]]:
    """Yield the frozen weights of a layer, and the scales of those in 4 bit, with their setters."""
    for weight in layer.parameters():
        yield weight.data, _setter(weight, "data")
        state = getattr(weight, "quant_state", None)
        for one in filter(None, (state, getattr(state, "state2", None))):
            yield one.absmax, _setter(one, "absmax")


def _setter(owner: Any, name: str) -> Callable[[Tensor], None]:
    return lambda value: setattr(owner, name, value)


def _bytes_of(tensor: Tensor) -> Tensor:
    return tensor.contiguous().flatten().view(torch.uint8)


def _round_up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
