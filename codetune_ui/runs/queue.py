"""The queue: runs that wait for their turn, each with a note in its folder that says its place.

So it is on disk and nowhere else: a run that is renamed keeps its place, one that is deleted
leaves, and no restart of anything loses it. `runs.keeper` starts the first as soon as nobody is at
work; the worker takes the note away when the accelerator is its own. Whoever else changes the
queue, or starts a run, holds its lock meanwhile.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, MachineError, RunError
from codetune_ui.runs.files import read_json, remove, replace_json
from codetune_ui.runs.lease import in_the_way
from codetune_ui.runs.lock import LockHeldError, hold, is_held
from codetune_ui.runs.placement import read_placement
from codetune_ui.runs.process import spawn, start_worker
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run

CHANGE_S = 60.0  # a start holds the lock, and may first have to end the playground's server
LOOK_S = 2.0


@dataclass(frozen=True)
class Turn:
    """One waiting run: what its worker is to do, and its place; the smallest comes first."""

    run: Run
    job: str
    place: int


def waiting(home: Home) -> list[Turn]:
    """Return the waiting runs in their order; one whose worker has just begun waits no longer."""
    notes = ((run, read_json(run.waiting_path)) for run in home.runs())
    found = [Turn(run, str(note["job"]), int(note["place"])) for run, note in notes if note]
    return sorted(
        (turn for turn in found if not turn.run.alive()),
        key=lambda turn: (turn.place, turn.run.name),
    )


def who_is_at_work(home: Home) -> str:
    """Return the name of who keeps the next run of this machine from beginning, "" for nobody."""
    held = in_the_way(home)
    if held is not None:
        return held.name
    # A run may be on its way to the accelerator.
    here = (run for run in home.runs() if read_placement(run.path) is None)
    return next((run.name for run in here if run.state() in ACTIVE), "")


def has_begun(run: Run) -> bool:
    """Say whether a worker ever worked on a run."""
    return run.status().state != "created"


def start_or_wait(run: Run, job: str) -> bool:
    """Start a worker, or let the run wait for its turn; return whether it waits.

    A run that is placed elsewhere waits there. Raises what `process.start_worker` does.
    """
    with changing(run.home):
        elsewhere = read_placement(run.path) is not None
        if elsewhere or not (who_is_at_work(run.home) or waiting(run.home)):
            start_worker(run, job)
            return False
        _append(run, job)
    wake(run.home)
    return True


def enter(home: Home, runs: Sequence[Run], job: str = "train") -> None:
    """Let runs of a home wait for their turn, in this order, behind those that wait already.

    Those that are placed elsewhere are handed over, to wait there.
    """
    with changing(home):
        for run in runs:
            if read_placement(run.path) is None:
                _append(run, job)
            else:
                start_worker(run, job)
    wake(home)


def move(run: Run, by: int) -> None:
    """Put a waiting run so many places later, or earlier when negative; else `RunError`."""
    with changing(run.home):
        line = waiting(run.home)
        mine = next((turn for turn in line if turn.run == run), None)
        if mine is None:
            raise _not_waiting(run)
        place = max(0, line.index(mine) + by)
        line.remove(mine)
        line.insert(place, mine)
        for number, turn in enumerate(line):
            if turn.place != number:
                _note(turn.run, turn.job, number)


def drop(run: Run) -> None:
    """Take a run out of the queue, and leave it as it was; `RunError` when it does not wait."""
    with changing(run.home):
        if run.state() != "waiting":
            raise _not_waiting(run)
        leave(run)


def change(run: Run, config: Config) -> None:
    """Give a waiting run other settings; raise `RunError` when it has begun or does not wait."""
    with changing(run.home):
        if run.alive() or has_begun(run):
            raise RunError(f"'{run.name}' has begun.", "Its settings stay as they are.")
        if not run.waiting_path.exists():
            raise _not_waiting(run)
        run.write_config(config)


def leave(run: Run) -> None:
    """Take a run's note away, for its worker and the keeper; others use `drop`."""
    remove(run.waiting_path)


@contextmanager
def changing(home: Home) -> Iterator[None]:
    """Hold the queue's lock for the length of a `with`: nobody else starts a run or moves one."""
    try:
        with hold(home.path / "queue.lock", wait_s=CHANGE_S):
            yield
    except LockHeldError:
        raise MachineError("Another start is under way.", "Try again in a moment.") from None


# --- the keeper


def wake(home: Home) -> None:
    """See to it that somebody starts the waiting runs, also after this process has ended."""
    if waiting(home) and not is_held(keeper_lock(home)):
        command = [sys.executable, "-m", "codetune_ui.runs.keeper", str(home.path)]
        spawn(command, log_path=home.path / "queue.log", home=home.path)


def wake_now_and_then(home: Home) -> threading.Thread:
    """Do `wake` every two seconds: the machine may have been off, or the keeper killed."""

    def look() -> None:
        while True:
            with suppress(CodeTuneError, OSError):  # a full disk may have room the next time
                wake(home)
            time.sleep(LOOK_S)

    thread = threading.Thread(target=look, daemon=True, name="queue")
    thread.start()
    return thread


def keeper_lock(home: Home) -> Path:
    """Return the file whose lock the one living keeper of a home holds."""
    return home.path / "keeper.lock"


# --- how


def _append(run: Run, job: str) -> None:
    if run.alive():
        raise RunError(f"'{run.name}' is running already.", "Watch it, or stop it first.")
    if run.waiting_path.exists():
        raise RunError(f"'{run.name}' waits for its turn already.", "See the list of runs.")
    line = waiting(run.home)
    _note(run, job, line[-1].place + 1 if line else 0)


def _note(run: Run, job: str, place: int) -> None:
    replace_json(run.waiting_path, {"job": job, "place": place})


def _not_waiting(run: Run) -> RunError:
    return RunError(f"'{run.name}' does not wait.", "See the list of runs.")
