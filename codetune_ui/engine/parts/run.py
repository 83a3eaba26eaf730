"""The tasks of a preparation by datatrove: `python -m codetune_ui.engine.parts.run STEP FOLDER`.

STEP is one of read, merge, cut, pack, on this machine; or "submit", which hands all four to Slurm,
each as an array of tasks that waits for the one before. A task that is done is not done again.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.engine.parts.plan import Plan, plan_of
from codetune_ui.engine.parts.task import Task, log_of
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.prepared import Asked, read_asked
from codetune_ui.runs.process import end_with_parent
from codetune_ui.runs.store import Run

# What a task elsewhere needs of this process's environment; never a token.
HANDED_ON = ("CODETUNE_HOME", "KF_RULE_CACHE_DIR", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE")


def _here(run: Run, step: str, plan: Plan, asked: Asked) -> None:
    from datatrove.executor import LocalPipelineExecutor

    from codetune_ui.engine.parts.steps import tasks_of

    tasks = tasks_of(step, plan)
    LocalPipelineExecutor(
        pipeline=[Task(step, run.path)],
        tasks=tasks,
        workers=min(asked.processes, tasks),
        logging_dir=str(log_of(run, step)),
    ).run()


def _submit(run: Run, plan: Plan, asked: Asked) -> None:
    from datatrove.executor import SlurmPipelineExecutor

    from codetune_ui.engine.parts.steps import STEPS, tasks_of

    options = dict(asked.options or {})
    time_limit, partition = options.pop("time"), options.pop("partition")
    if cpus := options.pop("cpus", ""):
        options["cpus-per-task"] = cpus
    before: Any = None
    jobs = {}
    for step in STEPS:
        before = SlurmPipelineExecutor(
            pipeline=[Task(step, run.path)],
            tasks=tasks_of(step, plan),
            workers=asked.processes,
            time=time_limit,
            partition=partition,
            job_name=f"codetune-{step}",
            qos=options.get("qos"),
            env_command=_environment(),
            sbatch_args=options,
            depends=before,
            logging_dir=str(log_of(run, step)),
        )
        before.launch_merge_stats = _nothing  # jobs of their own, for figures that nobody reads
        before.run()
        jobs[step] = str(before.job_id)
        replace_json(run.path / "jobs.json", jobs)


def _nothing() -> None:
    pass


def _environment() -> str:
    """Return the words that give a task on a node our Python and our settings."""
    handed = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    values = handed | {
        "PYTHONPATH": str(PROJECT_ROOT),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUTF8": "1",
    }
    words = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    path = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    return "; ".join(["umask 077", path, *words])


def main(step: str, folder: str) -> int:
    """Do one step here, or submit all of them."""
    run = Run(Path(folder))
    plan, asked = plan_of(run), read_asked(run)
    if step == "submit":
        _submit(run, plan, asked)
    else:
        end_with_parent()
        _here(run, step, plan, asked)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
