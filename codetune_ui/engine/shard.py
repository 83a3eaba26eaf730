"""A frozen base whose layers are divided among the processes, for one that does not fit a card.

torch's FSDP2 does it: each process keeps its part of every layer's weights, a layer is gathered
whole just before it is used, forward and on the way back, and let go of behind it. The adapter is
no part of that: it lies whole on each process, as without this.

A gathering is a call that all processes make in the same order, or all of them wait for ever. So a
process that has nothing to compute, or no memory to do it, walks along with the others: FSDP2 is
given the order (first layer to last, and back), and what it gathers is crossed off. See `passes`.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from codetune_ui.engine.ranks import Ranks
from codetune_ui.engine.trouble import is_lack_of_memory


class WholeBase:
    """A base that each process has whole: there is nothing to gather, and nobody to walk with."""

    parts = 1

    @contextmanager
    def passes(self, count: int, *, back: bool, then: int = 0) -> Iterator[None]:  # noqa: ARG002
        """Let some passes through the model be made."""
        yield


WHOLE = WholeBase()


class SplitBase(WholeBase):
    """The layers of a base, divided: `take` each in turn, then `settle`, then train."""

    def __init__(self, ranks: Ranks, device: torch.device) -> None:
        from torch.distributed import group
        from torch.distributed.device_mesh import DeviceMesh

        self.parts = ranks.size
        self._ranks = ranks
        self._device = device
        world: Any = group.WORLD
        self._mesh = DeviceMesh.from_group(world, device.type)
        self._layers: list[Any] = []
        self._own: list[int] = []  # bytes of each layer that this process keeps
        self._spare = torch.empty(0)
        self._ahead: deque[int] = deque()  # layers still to be gathered in the passes at hand

    @property
    def own_bytes(self) -> int:
        """What this process keeps of the layers, but for the scales of those in 4 bit."""
        return sum(self._own)

    # --- dividing

    def take(self, layer: nn.Module) -> None:
        """Keep this process's part of the next layer, and let go of the rest.

        Its packed weights lie on the device, each in a format of floating point.
        """
        from torch.distributed.fsdp import fully_shard

        divided: Any = fully_shard(layer, mesh=self._mesh, reshard_after_forward=True)
        divided.set_custom_all_gather(Gathering(partial(self._gather, len(self._own))))
        self._layers.append(divided)
        self._own.append(sum(_part_bytes(weight, self.parts) for weight in layer.parameters()))

    def settle(self, around: nn.Module) -> None:
        """Let the layers, all of which were taken, gather themselves.

        around: the module that calls them in their order, once in each forward pass.
        """
        from torch.distributed.fsdp import fully_shard

        fully_shard(around, mesh=self._mesh, ignored_params=set(around.parameters()))
        # Of a module that gathers nothing itself, and whose result nobody changes in place.
        warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view", UserWarning)
        # Left to itself it goes by what ran last, and that may have been an evaluation, which
        # another process has made in fewer passes. The first layer has none before it.
        for before, layer in pairwise([self._layers[0], *self._layers]):
            layer.set_modules_to_backward_prefetch([before])
        # Kept for good, for who has no memory walks along as well.
        most = max(self._own) * self.parts
        self._spare = torch.empty(most, dtype=torch.uint8, device=self._device)

    def _gather(self, index: int, whole: Tensor, own: Tensor) -> None:
        if self._ahead and self._ahead[0] != index:
            # The others would wait for ever; all are here, and all end by this.
            raise RuntimeError(f"layer {index} was gathered in the place of {self._ahead[0]}")
        self._ranks.gather(whole, own)
        if self._ahead:
            self._ahead.popleft()

    # --- walking along

    @contextmanager
    def passes(self, count: int, *, back: bool, then: int = 0) -> Iterator[None]:
        """Take part in some passes through the model that all processes make, with a way back.

        At the end of the block this process walks along with those that it has not made itself;
        where its memory did not suffice also with `then` further ones, and the error goes on. The
        model is of no use from then on, on any of the processes.
        """
        there = range(len(self._layers))
        once = [*there, *(reversed(there) if back else ())]
        self._ahead = deque(once * (count + then))
        try:
            yield
            while len(self._ahead) > len(once) * then:
                layer = self._layers[self._ahead[0]]
                layer.unshard()
                layer.reshard()
        except (RuntimeError, MemoryError) as error:
            if is_lack_of_memory(error):
                self._let_go_on()
            raise
        self._ahead.clear()

    def _let_go_on(self) -> None:
        """Gather what the others still do, from anything: all throw away what they make of it."""
        while self._ahead:
            own = self._own[self._ahead.popleft()]
            self._ranks.gather(self._spare[: own * self.parts], self._spare[:own])


class Gathering:
    """How FSDP2 gathers one layer: its `AllGather`, an interface that torch does not export."""

    def __init__(self, gather: Callable[[Tensor, Tensor], None]) -> None:
        self._gather = gather

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return the place for all parts of a layer."""
        return torch.empty(size, dtype=dtype, device=device)

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, **_: Any) -> None:
        """Put the parts of all processes together."""
        self._gather(output_tensor, input_tensor)


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


def _part_bytes(weight: Tensor, parts: int) -> int:
    """Return the bytes of one process's part of a weight, divided along its first dimension."""
    rows, *rest = weight.shape
    return -(-rows // parts) * torch.Size(rest).numel() * weight.element_size()
