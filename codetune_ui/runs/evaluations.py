"""Evaluations of a run: started in a folder of their own, kept as one file each in the run's.

HOME/evaluations/ID/         the job: laid out as a run's folder, with request.json
HOME/runs/RUN/evaluation/    ID.json, what came of it, and ID.html, the same for people
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codetune_ui.core.comparison import comparison
from codetune_ui.core.errors import ConfigError, RunError
from codetune_ui.core.evaluation import Request
from codetune_ui.core.holes import OWN
from codetune_ui.core.report_page import page
from codetune_ui.runs import own_jobs
from codetune_ui.runs.files import read_json, replace_json, replace_text
from codetune_ui.runs.own_holes import own_holes
from codetune_ui.runs.process import start_worker
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.terminal import LiveLine


def create(home: Home, request: Request) -> Run:
    """Make an evaluation's folder; raise `RunError` for a run without an adapter.

    With `holes_of` the seed, the kinds and the count become those of the other evaluation.
    """
    if not request.run:
        raise RunError("No run is named.", "Write: evaluate RUN.")
    run = home.run(request.run)
    if not run.adapter_dir.is_dir():
        raise own_jobs.no_adapter(run)
    request = _settled(home, request)
    job = home.create_job(home.evaluations_dir, run.config())
    own_jobs.keep_request(job, request.to_dict())
    return job


def _settled(home: Home, request: Request) -> Request:
    """Return a request as it will be worked off; `CodeTuneError` when that cannot be."""
    if request.holes_of:
        other = find_evaluation(home, request.holes_of)
        if "holes_id" not in other:
            message = f"'{request.holes_of}' is from an older version and cannot be repeated."
            raise RunError(message, "Evaluate both runs anew, with the same seed.")
        asked = {key: other["settings"][key] for key in ("holes", "seed", "kinds")}
        return Request.from_dict({**request.to_dict(), **asked})
    if request.kinds == (OWN,) and not own_holes(home):
        raise ConfigError("You have kept no hole of your own.", "Keep one, or add other kinds.")
    return request


def start(home: Home, request: Request) -> Run:
    """Start an evaluation in a process of its own; refuse while one is at work already."""
    if (job := under_way(home)) is not None:
        name = read_request(job).run
        raise RunError(f"'{name}' is being evaluated already.", "Wait for it, or cancel it.")
    own_jobs.refuse_while_held(home)
    job = create(home, request)
    start_worker(job, "evaluate")
    return job


def under_way(home: Home) -> Run | None:
    """Return the evaluation that is at work."""
    return own_jobs.under_way(home.evaluations())


def results(run: Run) -> list[Path]:
    """Return the files of a run's evaluations, the newest first; their names are times."""
    return sorted((run.path / "evaluation").glob("[!.]*.json"), reverse=True)


def part_reference(reference: str) -> tuple[str, str]:
    """Return run and id of an evaluation named RUN/ID; `RunError` when it is not so."""
    run, slash, name = reference.partition("/")
    if not (run and slash and name):
        raise RunError(f"'{reference}' names no evaluation.", "Write RUN/ID.")
    return run, name


def find_result(home: Home, reference: str) -> Path:
    """Return the file of an evaluation named RUN/ID; `RunError` when there is none."""
    run, name = part_reference(reference)
    # Compared with the files that are there: what was typed never becomes a path.
    for path in results(home.run(run)):
        if path.stem == name:
            return path
    raise RunError(f"There is no evaluation '{reference}'.", "See the list of evaluations.")


def find_evaluation(home: Home, reference: str) -> dict[str, Any]:
    """Return an evaluation named RUN/ID; `RunError` when there is none."""
    path = find_result(home, reference)
    found = read_json(path)
    if found is None:
        raise RunError(f"The evaluation '{reference}' cannot be read.", "Evaluate the run again.")
    return found | {"run": path.parents[1].name, "id": path.stem}  # the run may have a new name


def compare(home: Home, first: str, second: str) -> dict[str, Any]:
    """Compare two evaluations, each named RUN/ID, or RUN for its newest one on common holes."""
    one, two = _candidates(home, first), _candidates(home, second)
    same = [(a, b) for b in two for a in one if a.get("holes_id") == b.get("holes_id") is not None]
    return comparison(*(same or [(one[0], two[0])])[0])


def _candidates(home: Home, name: str) -> list[dict[str, Any]]:
    if "/" in name:
        return [find_evaluation(home, name)]
    found = [find_evaluation(home, f"{name}/{path.stem}") for path in results(home.run(name))]
    if not found:
        raise RunError(f"'{name}' has not been evaluated yet.", f"Write: evaluate {name}.")
    return found


def read_request(job: Run) -> Request:
    """Return what was asked of an evaluation; `RunError` when it cannot be read."""
    return Request.from_dict(own_jobs.kept_request(job, "evaluated", "evaluation"))


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
    own_jobs.follow(job, "evaluate", line)
    return job, read_json(result_path(job))
