"""What the processes of one training say to each other: sums, one answer for all, and the end.

Each trains its share of a step's rows, as if it were alone; here alone it is known that there are
others. Gradients are added up in one flat piece once a step, for both engines: the fused one has no
autograd that DistributedDataParallel could hang its hooks on, and an adapter is small.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from codetune_ui.engine.seat import Seat
from codetune_ui.engine.siblings import AloneError
from codetune_ui.engine.trouble import is_lack_of_memory

# A full disk is waited for until somebody comes: who waits along must not give up before.
PATIENCE = timedelta(days=30)
Value = TypeVar("Value")


class Ranks:
    """The processes that train together; where there is one, every call returns at once.

    Every process makes the same calls in the same order, or all of them wait for ever.
    """

    def __init__(self, seat: Seat | None = None) -> None:
        self.seat = seat or Seat()
        self.size = self.seat.size
        self.first = self.seat.rank == 0  # the one that writes

    def sum_counts(self, *counts: int) -> list[int]:
        """Return each count added up over all processes; the device is not asked."""
        if self.size == 1:
            return list(counts)
        total = torch.tensor(counts, dtype=torch.int64)
        with _together():
            dist.all_reduce(total)
        return [int(count) for count in total]

    @torch.no_grad()
    def sum_in_place(self, tensors: Sequence[Tensor]) -> None:
        """Replace fp32 tensors on the device by their sums over all processes, the same on each."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _together():
            dist.all_reduce(flat)
        pieces = torch.split(flat, [tensor.numel() for tensor in tensors])
        sums = [piece.view_as(tensor) for piece, tensor in zip(pieces, tensors, strict=True)]
        torch._foreach_copy_(list(tensors), sums)

    def gather(self, whole: Tensor, own: Tensor) -> None:
        """Put the pieces of all processes together on the device, in their order."""
        # torch 2.13 has a new name for it.
        call = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
        with _together():
            call(whole, own)

    def tell(self, value: Value) -> Value:
        """Return the first process's value, on all of them."""
        return self.hear(value)[0]

    def hear(self, value: Value) -> list[Value]:
        """Return what each process says, in their order."""
        if self.size == 1:
            return [value]
        said: list[Any] = [None] * self.size
        with _together():
            dist.all_gather_object(said, value)
        return said

    def all_agree(self, yes: bool) -> bool:
        """Say whether it is so on every process."""
        return self.sum_counts(int(not yes)) == [0]

    @contextmanager
    def room_for_all(self, *, asked: bool = True) -> Iterator[None]:
        """Let the memory that does not suffice on one process not suffice on any of them.

        asked: whether all come to the end of the block; else only the one that has no room does.
        """
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if is_lack_of_memory(error):
                self.all_agree(False)
            raise
        if asked and not self.all_agree(True):
            raise torch.OutOfMemoryError("on another process")

    def leave(self) -> None:
        """Part, when nothing is left to be done together."""
        if self.size > 1:
            dist.destroy_process_group()


ALONE = Ranks()


def join(seat: Seat, listener: socket.socket | None = None) -> Ranks:
    """Wait until all processes are there, and return them.

    listener: what the worker has told the others to come to; None where a launcher says it by
    MASTER_ADDR and MASTER_PORT.
    """
    if seat.size == 1:
        return ALONE
    # Counts and words go through the CPU: they must not wait for what the GPU is computing.
    logging.getLogger("transformers.training_args").setLevel(logging.ERROR)  # it knows a better way
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with _together():
        store = _meet(seat, listener)
        dist.init_process_group(
            backend, store=store, rank=seat.rank, world_size=seat.size, timeout=PATIENCE
        )
    ranks = Ranks(seat)
    if torch.cuda.is_available():
        # NCCL takes some memory when it is first used: before it is measured what is left.
        ranks.sum_in_place([torch.zeros(1, device="cuda")])
    return ranks


def _meet(seat: Seat, listener: socket.socket | None) -> Any:
    """Return the store through which they find each other: a launcher's, or the worker's own."""
    if listener is None:
        # By hand, for the process group would put a prefix before the keys of this one alone.
        found, _, _ = next(rendezvous("env://", seat.rank, seat.size, timeout=PATIENCE))
        return found
    host, port = listener.getsockname()
    return dist.TCPStore(  # type: ignore[attr-defined]  # it is there all the same
        host,
        port,
        seat.size,
        is_master=True,
        timeout=PATIENCE,
        wait_for_workers=False,
        master_listen_fd=listener.detach(),
    )


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # as torch says it when a connection is lost
        print(error, flush=True)  # noqa: T201 - into worker.log
        raise AloneError from error
