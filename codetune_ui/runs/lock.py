"""A lock on a file that the operating system frees when its holder dies, however it dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE_S = 0.02

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int, *, shared: bool) -> bool:  # noqa: ARG001 - no shared locks here
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class LockHeldError(Exception):
    """Another process holds the lock; never shown to a person as it is."""


@contextmanager
def hold(path: Path, *, wait_s: float = 0.5) -> Iterator[None]:
    """Hold the lock of a file for the length of a `with`; raise `LockHeldError` if another has it.

    The short wait is for those who only look: `is_held` takes the lock for a moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while not _try_lock(descriptor, shared=False):
            if time.monotonic() >= deadline:
                raise LockHeldError(str(path))
            time.sleep(PAUSE_S)
        _held.add(descriptor)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)  # frees the lock; the file stays, or two holders could see two files


def is_held(path: Path) -> bool:
    """Say whether a living process holds the lock of this file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


_held: set[int] = set()


def _close_in_child() -> None:
    # A forked helper (a data loader's) would share the lock and keep a dead worker alive.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
