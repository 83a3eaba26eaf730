"""Benchmarks: started in a folder of their own, kept as one file each with the run they are of.

HOME/benchmarks/ID/          the job: laid out as a run's folder, with request.json
HOME/runs/RUN/benchmarks/    ID.json, what came of it, and ID.html, the same for people
HOME/benchmarks/of-bases/    the same of a base without a run
HOME/cache/benchmarks/       files that were fetched, each with its SHA-256
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codetune_ui.core.benchmark import BenchmarkRequest
from codetune_ui.core.benchmark_page import page
from codetune_ui.core.config import Config
from codetune_ui.core.errors import RunError, SourceError
from codetune_ui.runs import own_jobs
from codetune_ui.runs.files import read_json, replace_json, replace_text
from codetune_ui.runs.sandbox import refuse_unless_possible
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.terminal import LiveLine


def jobs_dir(home: Home) -> Path:
    """Return where the benchmarks' own folders lie."""
    return home.path / "benchmarks"


def create(home: Home, request: BenchmarkRequest, config: Config | None = None) -> Run:
    """Make a benchmark's folder; with a `config` and no run, the base of that config is measured.

    Raises `RunError` for a run without an adapter, `SourceError` for a file that is not there, and
    `MachineError` where programs are to be run and cannot be held back.
    """
    if request.run_programs:
        refuse_unless_possible()
    if request.file:
        file = Path(request.file).expanduser().absolute()
        if not file.is_file():
            raise SourceError(f"There is no file '{request.file}'.", "Check the path.")
        request = BenchmarkRequest.from_dict(request.to_dict() | {"file": str(file)})
    job = home.create_job(jobs_dir(home), _config(home, request, config))
    own_jobs.keep_request(job, request.to_dict())
    return job


def _config(home: Home, request: BenchmarkRequest, config: Config | None) -> Config:
    if request.run:
        run = home.run(request.run)
        if not run.adapter_dir.is_dir():
            raise own_jobs.no_adapter(run)
        return run.config()
    if config is None:
        raise RunError("Neither a run nor a model is named.", "Write: benchmark RUN, or --model M.")
    return config


def read_request(job: Run) -> BenchmarkRequest:
    """Return what was asked of a benchmark; `RunError` when it cannot be read."""
    return BenchmarkRequest.from_dict(own_jobs.kept_request(job, "measured", "benchmark"))


def find_run(job: Run) -> Run | None:
    """Return the run that a benchmark is of; None for a base alone."""
    name = read_request(job).run
    return job.home.run(name) if name else None


def results_dir(home: Home, run: Run | None) -> Path:
    """Return where the results of a run lie, or those of bases without a run."""
    return jobs_dir(home) / "of-bases" if run is None else run.path / "benchmarks"


def result_path(job: Run) -> Path:
    """Return where a benchmark's result lies."""
    return results_dir(job.home, find_run(job)) / f"{job.name}.json"


def report_path(job: Run) -> Path:
    """Return where a benchmark's page for people lies."""
    return result_path(job).with_suffix(".html")


def write_result(job: Run, found: dict[str, Any]) -> None:
    """Put a result where it belongs: as JSON, and as a page for people."""
    path = result_path(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(report_path(job), page(found))
    replace_json(path, found)


def results(home: Home, run: Run | None) -> list[Path]:
    """Return the results of a run, or of bases alone, the newest first."""
    found = results_dir(home, run).glob("*.json")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def latest_job(home: Home, run: str) -> Run | None:
    """Return the newest benchmark of a run, begun or ended; of bases alone for ""."""
    found = [Run(path.parent) for path in jobs_dir(home).glob(f"*/{own_jobs.REQUEST}")]
    found.sort(key=lambda job: job.config_path.stat().st_mtime_ns, reverse=True)
    return next((job for job in found if read_request(job).run == run), None)


def benchmark(
    home: Home, request: BenchmarkRequest, config: Config | None, line: LiveLine
) -> tuple[Run, dict[str, Any] | None]:
    """Measure and follow it to its end; None where there is no result.

    Raises `RunError` with the worker's own words when it refused.
    """
    job = create(home, request, config)
    own_jobs.follow(job, "benchmark", line)
    return job, read_json(result_path(job))
