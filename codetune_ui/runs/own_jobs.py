"""Jobs about a run that have a folder of their own: evaluations, exports, benchmarks.

Such a folder is laid out as a run's, and holds what was asked in request.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.follow import work
from codetune_ui.runs.lease import in_the_way
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.terminal import LiveLine

REQUEST = "request.json"


def no_adapter(run: Run) -> RunError:
    """Return the error of a run that has nothing to be looked at yet."""
    message = f"'{run.name}' has no adapter yet."
    return RunError(message, "Train it to its end, or stop and save it.")


def keep_request(job: Run, request: dict[str, Any]) -> None:
    """Write what is asked of a job."""
    replace_json(job.path / REQUEST, request)


def kept_request(job: Run, done: str, name: str) -> dict[str, Any]:
    """Return what was asked of a job; `RunError` when it cannot be read.

    done, name: what is done to a run, and what it is called ("evaluated", "evaluation").
    """
    values = read_json(job.path / REQUEST)
    if values is None:
        raise RunError(f"What was to be {done} cannot be read.", f"Start the {name} again.")
    return values


def under_way(jobs: Iterable[Run]) -> Run | None:
    """Return the job that is at work."""
    return next((job for job in jobs if job.state() in ACTIVE), None)


def refuse_while_held(home: Home) -> None:
    """Raise `MachineError` while somebody has the accelerator who does not make room."""
    if (held := in_the_way(home)) is not None:
        raise MachineError(f"'{held.name}' is using the GPU.", "Stop it first, or wait.")


def follow(job: Run, work_name: str, line: LiveLine) -> None:
    """Work a job off in a process of its own, and tell how it goes.

    Raises `RunError` with the worker's own words when it refused.
    """
    try:
        work(job, work_name, line.say, line.count)
    finally:
        line.end()
