"""One process per home, while runs wait: `python -m codetune_ui.runs.keeper HOME`.

It starts the first of the line as soon as nobody is at work, so that a night's runs need no page.
It ends when none waits; killed, it costs nothing: whoever looks next starts another.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.lock import LockHeldError, hold
from codetune_ui.runs.process import launch
from codetune_ui.runs.queue import Turn, keeper_lock, leave, waiting, who_is_at_work
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run

POLL_S = 0.2


def keep(home: Home) -> None:
    """Start the waiting runs one after the other, until none waits; leave it to a living keeper."""
    # Looked at once more after the lock is free: who entered before then relied on us.
    while waiting(home):
        try:
            with hold(keeper_lock(home), wait_s=0.0):
                _work_off(home)
        except LockHeldError:
            return


def _work_off(home: Home) -> None:
    while line := waiting(home):
        if who_is_at_work(home):
            time.sleep(POLL_S)
        else:
            _begin(line[0])


def _begin(turn: Turn) -> None:
    run = turn.run
    try:
        worker = launch(run, turn.job)
    except CodeTuneError as error:
        if not run.alive():  # else it was started by hand meanwhile
            _failed(run, turn.job, error)
        return
    while worker.poll() is None and run.waiting_path.exists():
        time.sleep(POLL_S)
    # It ended before the accelerator was its own. If another was faster it keeps its place;
    # else it said itself what is wrong.
    if not who_is_at_work(run.home):
        leave(run)


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
