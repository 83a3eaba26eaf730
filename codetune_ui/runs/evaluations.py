"""Evaluations of a run: started in a folder of their own, kept as one file each in the run's.

HOME/evaluations/ID/         the job: laid out as a run's folder, with request.json
HOME/runs/RUN/evaluation/    ID.json, what came of it, and ID.html, the same for people
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codetune_ui.core.errors import RunError
from codetune_ui.core.evaluation import Request
from codetune_ui.core.report_page import page
from codetune_ui.runs.files import read_json, replace_json, replace_text
from codetune_ui.runs.follow import work
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.terminal import LiveLine


def create(home: Home, request: Request) -> Run:
    """Make an evaluation's folder; raise `RunError` for a run without an adapter."""
    if not request.run:
        raise RunError("No run is named.", "Write: evaluate RUN.")
    run = home.run(request.run)
    if not run.adapter_dir.is_dir():
        message = f"'{run.name}' has no adapter yet."
        raise RunError(message, "Train it to its end, or stop and save it.")
    job = home.create_job(home.evaluations_dir, run.config())
    replace_json(job.path / "request.json", request.to_dict())
    return job


def read_request(job: Run) -> Request:
    """Return what was asked of an evaluation; `RunError` when it cannot be read."""
    values = read_json(job.path / "request.json")
    if values is None:
        raise RunError("What was to be evaluated cannot be read.", "Start the evaluation again.")
    return Request.from_dict(values)


def find_run(job: Run) -> Run:
    """Return the run that an evaluation is of."""
    return job.home.run(read_request(job).run)


def result_path(job: Run) -> Path:
    """Return where an evaluation's result lies, in the folder of the run it is of."""
    return find_run(job).path / "evaluation" / f"{job.name}.json"


def write_result(job: Run, found: dict[str, Any]) -> None:
    """Put a result where it belongs: as JSON, and as a page for people."""
    path = result_path(job)
    path.parent.mkdir(exist_ok=True)
    replace_text(report_path(job), page(found))
    replace_json(path, found)


def report_path(job: Run) -> Path:
    """Return where an evaluation's page for people lies."""
    return result_path(job).with_suffix(".html")


def evaluate(home: Home, request: Request, line: LiveLine) -> tuple[Run, dict[str, Any] | None]:
    """Evaluate a run and follow it to its end; None where there is no result.

    Raises `RunError` with the worker's own words when it refused.
    """
    job = create(home, request)
    try:
        work(job, "evaluate", line.say, line.count)
    finally:
        line.end()
    return job, read_json(result_path(job))
