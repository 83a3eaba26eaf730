"""A preparation by many processes, as the worker that starts its steps and watches them sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.errors import MachineError, RunError, SourceError
from codetune_ui.engine.parts.plan import Plan, make_plan
from codetune_ui.engine.parts.run import HANDED_ON
from codetune_ui.engine.parts.steps import STEPS, tasks_of
from codetune_ui.engine.parts.task import REFUSED, done, log_of
from codetune_ui.engine.report import Reporter, StopRequested, StopWish
from codetune_ui.runs import slurm
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.prepared import is_whole, read_asked
from codetune_ui.runs.store import Run

POLL_S = 0.2
SAID = "sbatch: error:"
WORDS = {
    "read": ("Reading the code", "parts read"),
    "merge": ("Looking for copies", "merges done"),
    "cut": ("Cutting samples", "parts cut"),
    "pack": ("Writing rows", "files of rows written"),
}
# Of a person's environment the rest stays here: Slurm would hand it to the nodes.
FOR_SLURM = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "SLURM_CONF", "LD_LIBRARY_PATH")


def prepare(run: Run, reporter: Reporter, stop: StopWish) -> None:
    """Take all steps; those that an earlier attempt has taken are not taken again."""
    asked, began = read_asked(run), time.monotonic()
    plan = make_plan(run, asked.tasks)
    stop.check()
    (run.path / REFUSED).unlink(missing_ok=True)
    watch = _Watch(run, plan, reporter, stop)
    if asked.options is None:
        for step in STEPS:
            if done(run, step) < tasks_of(step, plan):
                watch.follow(step, _start(run, step))
    else:
        _call(run)
        for step in STEPS:
            watch.follow_job(step, str((read_json(run.path / "jobs.json") or {})[step]))
    if not is_whole(run):
        raise RunError("The rows were not written.", f"See {log_of(run, 'pack')}.")
    replace_json(run.result_path, _result(run, plan, time.monotonic() - began))


class _Watch:
    """Waits for one step after the other, says how far it is, and ends it when that is wanted."""

    def __init__(self, run: Run, plan: Plan, reporter: Reporter, stop: StopWish) -> None:
        self.run, self.plan, self.reporter, self.stop = run, plan, reporter, stop
        self._told, self._why = -1, ""

    def follow(self, step: str, process: subprocess.Popen[bytes]) -> None:
        """Wait for a step on this machine."""
        self._begin(step)
        try:
            while process.poll() is None:
                self.stop.check()
                self._tell(step)
                time.sleep(POLL_S)
        except StopRequested:
            _end(process)
            raise
        self._tell(step)
        self._check(step)

    def follow_job(self, step: str, job: str) -> None:
        """Wait for a step on Slurm."""
        self._begin(step)
        while done(self.run, step) < tasks_of(step, self.plan):
            seen = slurm.look(job)
            if self.stop() or (self.run.path / REFUSED).exists():
                _end_jobs(self.run)
                self.stop.check()
                self._check(step)
            if seen is not None and not seen.live:
                time.sleep(POLL_S)  # its last word may be on its way
                self._check(step)
            if seen is not None and seen.waiting and seen.reason not in (self._why, "Dependency"):
                self._why = seen.reason
                self.reporter.log(f"Waiting in Slurm's queue ({seen.reason}).")
            self._tell(step)
            time.sleep(POLL_S)
        self._tell(step)

    def _begin(self, step: str) -> None:
        self._told, self._why = -1, ""
        self.reporter.phase(WORDS[step][0])

    def _tell(self, step: str) -> None:
        count, total = done(self.run, step), tasks_of(step, self.plan)
        if count != self._told and total > 1:
            self.reporter.event("prepare", done=count, total=total, deed=WORDS[step][1])
        self._told = count

    def _check(self, step: str) -> None:
        """Raise when a step has ended and not all of its tasks are done."""
        refused = read_json(self.run.path / REFUSED)
        if refused is not None:
            raise SourceError(str(refused["message"]), str(refused["hint"]))
        if done(self.run, step) < tasks_of(step, self.plan):
            _end_jobs(self.run)
            raise RunError(
                f"A task of '{WORDS[step][0]}' has ended before it was done.",
                f"See {log_of(self.run, step)}; then prepare '{self.run.name}' again to go on.",
            )


def _start(run: Run, step: str) -> subprocess.Popen[bytes]:
    # One thread each: there are as many processes as the person wants to have at work.
    alone = {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "codetune_ui.engine.parts.run", step, str(run.path)],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        env={**os.environ, **alone},
        start_new_session=os.name == "posix",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a step and all its tasks: what is not done is done again."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _call(run: Run) -> None:
    """Submit all steps."""
    env = {name: os.environ[name] for name in (*FOR_SLURM, *HANDED_ON) if name in os.environ}
    command = [sys.executable, "-m", "codetune_ui.engine.parts.run", "submit", str(run.path)]
    answer = subprocess.run(
        command, cwd=PROJECT_ROOT, env=env, check=False, stderr=subprocess.PIPE, text=True
    )
    sys.stderr.write(answer.stderr)
    if answer.returncode:
        _end_jobs(run)
        words = [line for line in answer.stderr.splitlines() if line.startswith(SAID)]
        why = f": {words[0].removeprefix(SAID).strip()}." if words else "."
        raise MachineError(f"Slurm refused the tasks{why}", "Change what stands after --on slurm:.")


def _end_jobs(run: Run) -> None:
    for job in (read_json(run.path / "jobs.json") or {}).values():
        if job.isdecimal():
            slurm.end(job, at_once=True)


def _result(run: Run, plan: Plan, seconds: float) -> dict[str, Any]:
    manifest = read_json(run.dataset_dir / "manifest.json") or {}
    used = [
        {"step": step, "tasks": tasks_of(step, plan)} | _used(log_of(run, step)) for step in STEPS
    ]
    size = (run.dataset_dir / "train.rows").stat().st_size
    report = read_json(run.path / "report.json") or {}
    rows = {name: manifest.get(name) for name in ("train_rows", "val_rows", "rows_per_epoch")}
    about = {"name": run.name, "folder": str(run.path), "source_bytes": plan.size}
    return about | rows | {"bytes": size, "seconds": round(seconds, 1), "steps": used} | report


def _used(folder: Path) -> dict[str, Any]:
    found = [one for path in folder.glob("used-*.json") if (one := read_json(path))]
    return {
        "processor_seconds": round(sum(float(one["processor_seconds"]) for one in found), 1),
        "peak_mb": max((int(one["peak_mb"]) for one in found), default=0),
    }
