"""The accelerator has one holder at a time: a lock that dies with it, and a note of who it is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from codetune_ui.core.errors import MachineError
from codetune_ui.runs.lock import LockHeldError, hold, is_held
from codetune_ui.runs.placement import ticket
from codetune_ui.runs.store import Home, read_json, replace_json

PLAYGROUND = "playground"  # the completion server's name as a holder; it gives way to a training


@dataclass(frozen=True)
class Holder:
    """Who has the accelerator: a run's name or "playground", what for, since when (unix s)."""

    name: str
    what: str
    pid: int
    since: float


@contextmanager
def acquire(home: Home, name: str, what: str) -> Iterator[None]:
    """Hold the accelerator for the length of a `with`; raise `MachineError` if another has it.

    On a cluster's node its GPUs are lent by the cluster itself, and are not this home's.
    """
    if ticket():
        yield
        return
    try:
        with hold(_lock_path(home)):
            mine = Holder(name, what, os.getpid(), time.time())
            replace_json(_note_path(home), asdict(mine))
            try:
                yield
            finally:  # a killed holder leaves its note; without the lock nobody believes it
                _note_path(home).unlink(missing_ok=True)
    except LockHeldError:
        other = holder(home)
        who = other.name if other else "Another program"
        raise MachineError(f"'{who}' is using the GPU.", "Stop it first, or wait.") from None


def holder(home: Home) -> Holder | None:
    """Return who has the accelerator now; the lock decides, the note only gives the name."""
    if ticket() or not is_held(_lock_path(home)):
        return None
    note = read_json(_note_path(home)) or {}
    return Holder(
        str(note.get("name", "Another program")),
        str(note.get("what", "")),
        int(note.get("pid", 0)),
        float(note.get("since", 0.0)),
    )


def in_the_way(home: Home) -> Holder | None:
    """Return who keeps a job from the accelerator: its holder, unless that makes room."""
    held = holder(home)
    return None if held is None or held.name == PLAYGROUND else held


def _lock_path(home: Home) -> Path:
    return home.path / "gpu.lock"


def _note_path(home: Home) -> Path:
    return home.path / "gpu.json"
