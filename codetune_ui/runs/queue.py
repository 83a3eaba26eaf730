"""The runs that wait for their turn: a note in the folder of each says its place in the line.

So the queue is on disk and nowhere else: a run that is renamed keeps its place, one that is deleted
leaves, and no restart of anything loses it. The worker takes its run's note away when the
accelerator is its own; `runs.keeper` starts the first as soon as nobody is at work.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.lease import in_the_way
from codetune_ui.runs.lock import LockHeldError, hold, is_held
from codetune_ui.runs.process import spawn, start_worker
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run

CHANGE_S = 30.0  # a start, which takes the same lock, may last so long on a busy machine
LOOK_S = 2.0


@dataclass(frozen=True)
class Turn:
    """One waiting run: what its worker is to do, and its place; the smallest comes first."""

    run: Run
    job: str
    place: int


def waiting(home: Home) -> list[Turn]:
    """Return the waiting runs in their order; those whose worker has just begun are not waiting."""
    notes = ((run, read_json(run.waiting_path)) for run in home.runs())
    found = [Turn(run, str(note["job"]), int(note["place"])) for run, note in notes if note]
    return sorted(
        (turn for turn in found if not turn.run.alive()),
        key=lambda turn: (turn.place, turn.run.name),
    )


def place_of(run: Run) -> int:
    """Return a run's place in the line, from 1; 0 when it does not wait."""
    names = [turn.run.name for turn in waiting(run.home)]
    return names.index(run.name) + 1 if run.name in names else 0


def who_is_at_work(home: Home) -> str:
    """Return the name of who keeps the next run from beginning, "" for nobody."""
    held = in_the_way(home)
    if held is not None:
        return held.name
    # It may be on its way to the accelerator, or at work elsewhere.
    return next((run.name for run in home.runs() if run.state() in ACTIVE), "")


def start_or_wait(run: Run, job: str) -> bool:
    """Start a worker, or let the run wait for its turn; return whether it waits.

    Raises what `process.start_worker` does.
    """
    with _changing(run.home):
        if not who_is_at_work(run.home) and not waiting(run.home):
            start_worker(run, job)
            return False
        _append(run, job)
    wake(run.home)
    return True


def enter(runs: Sequence[Run], job: str = "train") -> None:
    """Let runs wait for their turn, in this order, behind those that wait already."""
    for run in runs:
        with _changing(run.home):
            _append(run, job)
    for home in {run.home for run in runs}:
        wake(home)


def leave(run: Run) -> None:
    """Let a run wait no longer: its turn has come, or a person thought better of it."""
    run.waiting_path.unlink(missing_ok=True)


def move(run: Run, place: int) -> None:
    """Put a waiting run at a place, 1 the first; raise `RunError` when it does not wait."""
    with _changing(run.home):
        line = waiting(run.home)
        mine = next((turn for turn in line if turn.run == run), None)
        if mine is None:
            raise _not_waiting(run)
        line.remove(mine)
        line.insert(max(0, place - 1), mine)
        for number, turn in enumerate(line):
            if turn.place != number:
                _note(turn.run, turn.job, number)


def drop(run: Run) -> None:
    """Take a run out of the line; one that never began is deleted, it holds nothing but settings.

    Raises `RunError` when it does not wait.
    """
    with _changing(run.home):
        if run.state() != "waiting":
            raise _not_waiting(run)
        leave(run)
        if not has_begun(run):
            run.home.delete(run)


def change(run: Run, config: Config) -> None:
    """Give a waiting run other settings; raise `RunError` when it has begun or does not wait."""
    try:
        with hold(run.lock_path):  # no worker can begin meanwhile
            if not run.waiting_path.exists() or has_begun(run):
                raise RunError(f"'{run.name}' has begun.", "Its settings stay as they are.")
            run.write_config(config)
    except LockHeldError:
        raise RunError(f"'{run.name}' has begun.", "Its settings stay as they are.") from None


def has_begun(run: Run) -> bool:
    """Say whether a worker ever worked on a run."""
    return run.status().started > 0


# --- the keeper


def wake(home: Home) -> None:
    """See to it that somebody starts the waiting runs, also after this process has ended."""
    if waiting(home) and not is_held(keeper_lock(home)):
        command = [sys.executable, "-m", "codetune_ui.runs.keeper", str(home.path)]
        spawn(command, log_path=home.path / "queue.log", home=home.path)


def wake_now_and_then(home: Home) -> threading.Thread:
    """Do `wake` every two seconds: a machine that was off, or a keeper that was killed."""

    def look() -> None:
        while True:
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


@contextmanager
def _changing(home: Home) -> Iterator[None]:
    try:
        with hold(home.path / "queue.lock", wait_s=CHANGE_S):
            yield
    except LockHeldError:
        raise MachineError("Another start is under way.", "Try again in a moment.") from None


def _not_waiting(run: Run) -> RunError:
    return RunError(f"'{run.name}' does not wait.", "See the list of runs.")
