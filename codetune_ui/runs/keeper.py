"""One process per home, while runs wait: `python -m codetune_ui.runs.keeper HOME`.

It starts the first of the queue as soon as nobody is at work, so that a night's runs need no page.
It ends when none waits; killed, it costs nothing: whoever looks next starts another.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.lease import holder
from codetune_ui.runs.lock import LockHeldError, hold
from codetune_ui.runs.process import launch
from codetune_ui.runs.queue import Turn, changing, keeper_lock, leave, waiting, who_is_at_work
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run

POLL_S = 0.5  # a look reads the notes of all runs
AGAIN_S = 5.0  # after a start that came to nothing, on a full disk or behind another program


def keep(home: Home) -> None:
    """Start the waiting runs one after the other, until none waits; leave it to a living keeper."""
    # Looked at once more after the lock is free: who entered before then relied on us.
    while waiting(home):
        try:
            with hold(keeper_lock(home)):
                _work_off(home)
        except LockHeldError:
            return


def _work_off(home: Home) -> None:
    while waiting(home):
        try:
            time.sleep(_begin_next(home))
        except (OSError, CodeTuneError) as error:
            sys.stderr.write(f"{error}\n")
            time.sleep(AGAIN_S)


def _begin_next(home: Home) -> float:
    """Start the first of the queue if nobody is at work; return when to look again, in seconds."""
    with changing(home):  # so long that nobody moves or drops what is on its way
        line = waiting(home)
        if not line or who_is_at_work(home):
            return POLL_S
        return _begin(line[0])


def _begin(turn: Turn) -> float:
    run, before = turn.run, turn.run.status()
    try:
        worker = launch(run, turn.job)
    except CodeTuneError as error:
        _failed(run, turn.job, error)
        return POLL_S
    while worker.poll() is None and run.waiting_path.exists():
        time.sleep(0.05)
    if not run.waiting_path.exists():
        return POLL_S
    # It ended before the accelerator was its own: another was faster, or it said what is wrong.
    if holder(run.home) is None:
        leave(run)
        return POLL_S
    with hold(run.lock_path):
        run.write_status(before)
    return AGAIN_S


def _failed(run: Run, job: str, error: CodeTuneError) -> None:
    """Say in a run's status what kept its worker from saying it."""
    if not run.config_path.exists():  # deleted meanwhile
        return
    with suppress(LockHeldError), hold(run.lock_path):
        status = Status.begin(job).replace(state="failed", message=error.message, hint=error.hint)
        run.write_status(status)
        leave(run)


if __name__ == "__main__":
    keep(Home(Path(sys.argv[1])))
