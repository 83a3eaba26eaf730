"""What goes wrong in a worker: each is called in its process before it begins to work.

The faults are the system's own (a signal, a disk that is full, an allocator that has no more);
only the moment at which they come is chosen here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from codetune_ui.engine import checkpoint, durable
from codetune_ui.engine.guard import Guard
from codetune_ui.engine.scorecard import Scorecard
from codetune_ui.engine.shard import Gathering
from codetune_ui.engine.train import FusedTrainer, RowTrainer


def die() -> None:
    """End this process as the system would: nothing is flushed, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_in_step(number: int) -> None:
    """Die in a step of this attempt: its gradients are there, its weights are not yet changed."""
    _before(Guard, "on_pre_optimizer_step", number, die)


def kill_in_save(save: int, point: int) -> None:
    """Die in a save of this attempt: at the writing of the optimizer (0), or at its n-th sync.

    The first six syncs are the files', the seventh the manifest's, the eighth the folder's; before
    the ninth the folder has got its name.
    """

    def arm() -> None:
        if point == 0:
            torch.save = _save_half(torch.save)
        else:
            synced = [0]
            for name in ("sync", "sync_folder"):
                _count(durable, name, synced, point, die)

    _before(RowTrainer, "_save_checkpoint", save, arm)


def kill_at_rotation(save: int) -> None:
    """Die when the checkpoint has got its name, before an older one is deleted."""
    _before(checkpoint, "rotate", save, die)


def kill_at_publishing(point: int) -> None:
    """Die while the adapter at the end gets its name: before (1) or after (2) the rename."""
    _before(checkpoint, "_publish", 1, lambda: _count(durable, "sync_folder", [0], point, die))


def fill_in_save(save: int, room: int, disk: str) -> None:
    """Let another program fill the disk once a save has begun, but for `room` bytes."""

    def arm() -> None:
        original = checkpoint.check_space

        def check(*given: Any) -> None:
            original(*given)
            fill(Path(disk), room)
            checkpoint.check_space = original  # once: the room comes back

        checkpoint.check_space = check  # type: ignore[assignment]

    _before(RowTrainer, "_save_checkpoint", save, arm)


def fill_between_steps(first: int, last: int, disk: str) -> None:
    """Let the disk be full from one step to another, between two saves."""
    _before(Guard, "on_pre_optimizer_step", first, lambda: fill(Path(disk), 0))
    _before(Guard, "on_pre_optimizer_step", last, lambda: ballast(Path(disk)).unlink())


def no_memory_in_steps(*numbers: int) -> None:
    """Ask torch in some steps, counted over all attempts, for more memory than any machine has."""
    for number in numbers:
        _before(Guard, "on_pre_optimizer_step", number, _ask_too_much)


def no_memory_in_pass(number: int) -> None:
    """Ask for it in a pass, so that other processes wait for this one at the step's end."""
    _before(FusedTrainer, "_pass", number, _ask_too_much)


def no_memory_in_layer(number: int) -> None:
    """Ask for it when a layer of a base that is split is gathered, in the midst of a pass."""
    _before(Gathering, "__call__", number, _ask_too_much)


def no_memory_for_holes(number: int) -> None:
    """Ask for it when held-out holes are measured."""
    _before(Scorecard, "read", number, _ask_too_much)


def _ask_too_much() -> None:
    torch.empty(2**60, dtype=torch.uint8)


def lose_gpu_in_step(number: int) -> None:
    """Fail in a step as torch does when the card is gone; from then on nothing works on it."""

    def lose() -> None:
        raise RuntimeError(
            "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously "
            "reported at some other API call, so the stacktrace below might be incorrect."
        )

    _before(Guard, "on_pre_optimizer_step", number, lose)


def poison_steps(first: int, last: int) -> None:
    """Let a gradient be NaN in some steps, as a division that overflows leaves it."""
    original = Guard.on_pre_optimizer_step
    calls = [0]

    def poisoned(self: Any, args: Any, state: Any, control: Any, model: Any, **more: Any) -> None:
        calls[0] += 1
        if first <= calls[0] <= last:
            gradient = next(p.grad for p in model.parameters() if p.grad is not None)
            gradient.view(-1)[0] = float("nan")
        original(self, args, state, control, model=model, **more)

    Guard.on_pre_optimizer_step = poisoned  # type: ignore[assignment, method-assign]


def poison_pass(number: int) -> None:
    """Let this process find a gradient that is no number, before it is added to the others'."""
    original = FusedTrainer._pass
    calls = [0]

    def poisoned(self: Any, *given: Any) -> Any:
        loss = original(self, *given)
        calls[0] += 1
        if calls[0] == number:
            gradient = next(p.grad for p in self.model.parameters() if p.grad is not None)
            gradient.view(-1)[0] = float("nan")
        return loss

    FusedTrainer._pass = poisoned  # type: ignore[assignment, method-assign]


def signal_twice(step: int) -> None:
    """Get SIGTERM two times in one step."""

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    _before(Guard, "on_pre_optimizer_step", step, twice)


def signal_once(step: int) -> None:
    """Get SIGTERM in a step."""
    _before(Guard, "on_pre_optimizer_step", step, lambda: os.kill(os.getpid(), signal.SIGTERM))


# --- the disk


def ballast(disk: Path) -> Path:
    """Return the file that another program fills the disk with."""
    return disk / "ballast"


def fill(disk: Path, room: int) -> None:
    """Write until a disk has no more than `room` bytes left."""
    with ballast(disk).open("ab", buffering=0) as file:
        for size in (2**20, 2**12):
            while _free(disk) - size >= room:
                file.write(bytes(size))


def _free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


# --- moments


def _before(owner: Any, name: str, number: int, deed: Callable[[], Any]) -> None:
    """Do something at the n-th call of a function, before it."""
    _count(owner, name, [0], number, deed)


def _count(owner: Any, name: str, calls: list[int], number: int, deed: Callable[[], Any]) -> None:
    original = getattr(owner, name)

    def counted(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            deed()
        return original(*given, **named)

    setattr(owner, name, counted)


def _save_half(save: Callable[..., None]) -> Callable[..., None]:
    def save_half(what: Any, path: str, *given: Any, **named: Any) -> None:
        save(what, path, *given, **named)
        os.truncate(path, Path(path).stat().st_size // 2)
        die()

    return save_half
