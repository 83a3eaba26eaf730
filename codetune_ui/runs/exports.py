"""Exports of a run: started in a folder of their own, each kept as one small file in the run's.

HOME/exports/ID/             the job: laid out as a run's folder, with request.json
HOME/runs/RUN/exports/       ID.json, what came of it and where it lies
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from codetune_ui.core.errors import RunError
from codetune_ui.core.export import HUB, MANIFEST, Request, check_plain_lora, question
from codetune_ui.runs import own_jobs
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.process import start_worker
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.terminal import LiveLine

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"


def create(home: Home, request: Request) -> Run:
    """Make an export's folder, after all that can be refused without a model in memory.

    Raises `RunError` for a run without an adapter, a place that is taken, and, until the request
    is accepted, for an adapter that is worse than its base or was never evaluated.
    """
    if not request.run:
        raise RunError("No run is named.", "Write: export --run RUN --format FORMAT --to DIR.")
    run = home.run(request.run)
    settings = adapter_settings(run)
    if request.format != "adapter":
        check_plain_lora(settings)
    place = request.to
    if not request.repository:
        place = str(_free_place(whole_place(run, request), overwrite=request.overwrite))
    if not request.accepted and (asked := gate(run)):
        raise RunError(asked, "Evaluate it: evaluate RUN; or export it all the same with --yes.")
    job = home.create_job(home.exports_dir, run.config())
    own_jobs.keep_request(job, {**request.to_dict(), "to": place})
    return job


def start(home: Home, request: Request) -> Run:
    """Start an export in a process of its own; refuse while one is at work already."""
    if (job := under_way(home)) is not None:
        name = read_request(job).run
        raise RunError(f"'{name}' is being exported already.", "Wait for it, or cancel it.")
    own_jobs.refuse_while_held(home)
    job = create(home, request)
    start_worker(job, "export")
    return job


def under_way(home: Home) -> Run | None:
    """Return the export that is at work."""
    return own_jobs.under_way(home.exports())


def default_place(run: Run, request: Request) -> Path:
    """Return where an export goes when nobody said: into the run's own folder."""
    parts = [request.format, request.number_format]
    return run.path / "exports" / "-".join(part for part in parts if part)


def whole_place(run: Run, request: Request) -> Path:
    """Return the whole path of the folder that an export goes to."""
    wanted = Path(request.to) if request.to else default_place(run, request)
    return wanted.expanduser().absolute()


def adapter_settings(run: Run) -> dict[str, Any]:
    """Return a run's `adapter_config.json`; `RunError` when it has no adapter."""
    settings = read_json(run.adapter_dir / SETTINGS)
    if settings is None or not (run.adapter_dir / WEIGHTS).is_file():
        raise own_jobs.no_adapter(run)
    return settings


def _free_place(place: Path, *, overwrite: bool) -> Path:
    """Return a folder that may be written; `RunError` when it is taken."""
    if place.is_dir() and not any(place.iterdir()):
        return place
    if place.exists() or place.is_symlink():
        if not is_export(place):
            message = f"{place} exists and is no export of this app."
            raise RunError(message, "Choose another folder with --to.")
        if not overwrite:
            raise RunError(f"{place} holds an export already.", "Add --overwrite to replace it.")
    if not os.access(_first_there(place.parent), os.W_OK):
        raise RunError(f"{place} cannot be written.", "Choose another folder with --to.")
    return place


def _first_there(folder: Path) -> Path:
    """Return the nearest folder above that exists."""
    return folder if folder.exists() else _first_there(folder.parent)


def is_export(folder: Path) -> bool:
    """Say whether a folder is an export of ours: its manifest is there, and it is no link."""
    return not folder.is_symlink() and read_json(folder / MANIFEST) is not None


# --- is it good enough?


def latest_evaluation(run: Run) -> dict[str, Any] | None:
    """Return the newest evaluation of a run; None when there is none."""
    found = [read_json(path) for path in (run.path / "evaluation").glob("*.json")]
    dated = [(float(one.get("created", 0)), one) for one in found if one and "verdict" in one]
    return max(dated, key=lambda pair: pair[0])[1] if dated else None


def gate(run: Run) -> str:
    """Return what a person is to be asked before this run's export; empty for nothing."""
    latest = latest_evaluation(run)
    trained = (run.adapter_dir / WEIGHTS).stat().st_mtime
    outdated = latest is not None and float(latest.get("created", 0)) < trained - 1
    return question(run.name, latest, outdated=outdated)


# --- one export


def read_request(job: Run) -> Request:
    """Return what was asked of an export; `RunError` when it cannot be read."""
    return Request.from_dict(own_jobs.kept_request(job, "exported", "export"))


def find_run(job: Run) -> Run:
    """Return the run that an export is of."""
    return job.home.run(read_request(job).run)


def record_path(job: Run) -> Path:
    """Return where it is kept what an export came to."""
    return find_run(job).path / "exports" / f"{job.name}.json"


def write_record(job: Run, manifest: dict[str, Any]) -> None:
    """Keep what an export came to, and where it lies."""
    path = record_path(job)
    path.parent.mkdir(exist_ok=True)
    about = {"id": job.name, "to": read_request(job).to, "created": round(time.time())}
    replace_json(path, about | manifest)


def exports(run: Run) -> list[dict[str, Any]]:
    """Return what is known of a run's exports, the newest first; each says if it is still there."""
    found = [read_json(path) for path in (run.path / "exports").glob("*.json")]
    known = sorted((one for one in found if one), key=lambda one: str(one["id"]), reverse=True)
    return [{**one, "there": _is_there(str(one["to"]))} for one in known]


def _is_there(place: str) -> bool:
    return place.startswith(HUB) or is_export(Path(place))


def export(home: Home, request: Request, line: LiveLine) -> tuple[Run, dict[str, Any] | None]:
    """Export a run and follow it to its end; None where nothing came of it.

    Raises `RunError` with the worker's own words when it refused.
    """
    job = create(home, request)
    own_jobs.follow(job, "export", line)
    return job, read_json(record_path(job))
