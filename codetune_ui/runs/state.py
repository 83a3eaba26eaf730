"""What a worker says about itself in `status.json`, and the states a run can be in.

created → (waiting) → preparing → running → (stopping) → finished | stopped | failed

*lost* and *waiting* are derived by the reader and never written: the file says active, but the lock
is free; or the run is in the queue.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psutil

from codetune_ui.runs.files import read_json
from codetune_ui.runs.placement import ticket

State = Literal[
    "created",
    "waiting",
    "preparing",
    "running",
    "stopping",
    "finished",
    "stopped",
    "failed",
    "lost",
]
ACTIVE: frozenset[State] = frozenset({"preparing", "running", "stopping"})
ENDED: frozenset[State] = frozenset({"finished", "stopped", "failed", "lost"})

SAME_BIRTH_S = 3.0  # where only the clock tells a birth: a correction of the clock moves it


@dataclass(frozen=True, kw_only=True)
class Status:
    """One whole `status.json`; `message` and `hint` are for a person, times are unix seconds."""

    state: State = "created"
    job: str = ""
    step: int = 0
    total_steps: int = 0
    phase: str = ""
    message: str = ""
    hint: str = ""
    refused: bool = False  # it failed with a sentence of ours, not with a surprise
    pid: int = 0
    create_time: float = 0.0
    birth: int = 0
    boot_id: str = ""
    started: float = 0.0
    updated: float = 0.0
    earlier: dict[str, int] | None = None  # what earlier attempts left: path → inode
    ticket: str = ""  # of a worker on another machine: the submission that it was begun by

    @classmethod
    def begin(cls, job: str) -> Status:
        """Return the first status of the process that calls, in state *preparing*."""
        now = time.time()
        return cls(
            state="preparing",
            job=job,
            pid=os.getpid(),
            create_time=psutil.Process().create_time(),
            birth=_birth(os.getpid()),
            boot_id=boot_id(),
            started=now,
            updated=now,
            ticket=ticket(),
        )

    def replace(self, **changes: Any) -> Status:
        """Return a copy with some fields changed and `updated` set to now.

        A clock that was set back does not let a worker be seen before its start.
        """
        now = max(time.time(), self.started)
        return dataclasses.replace(self, **{"updated": now, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Status:
        """Read what `to_dict` wrote; fields of a newer app are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    @classmethod
    def read(cls, path: Path) -> Status:
        """Return what was written last; *created* when nothing was."""
        values = read_json(path)
        return cls() if values is None else cls.from_dict(values)

    def process(self) -> psutil.Process | None:
        """Return the living process that wrote this; never one that only reuses its pid."""
        if not self.pid or self.boot_id != boot_id():
            return None
        try:
            process = psutil.Process(self.pid)
            if self.birth:
                same = _birth(self.pid) == self.birth
            else:
                same = abs(process.create_time() - self.create_time) < SAME_BIRTH_S
            alive = process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.Error:
            return None
        return process if same and alive else None


def _birth(pid: int) -> int:
    """Return when a process was born, in ticks since the boot: no clock that is set moves it.

    0 where the system does not tell (only Linux does), or when there is no such process.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19])
    except (OSError, IndexError, ValueError):
        return 0


@cache
def boot_id() -> str:
    """Name the time between two starts of this machine, so that an old pid is known as old."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(round(psutil.boot_time() / 60))  # in minutes: the clock may be corrected
