"""Which engine starts the tasks of `prepare`? `python -m tests.bench.rows_engines --mb 50`.

The same job, reading the parts of one source by two processes, started by datatrove, by Ray Data
and by nothing but multiprocessing. Printed for each: seconds until the first task began, seconds in
all, memory of all its processes together at its peak (shared pages counted once), and a hash of the
parts. `pip install -r requirements-cluster.txt "ray[data]==2.60.0"`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.core.secrets import find_secrets
from codetune_ui.engine.parts.plan import make_plan
from codetune_ui.engine.parts.steps import read_part
from codetune_ui.runs.process import environment
from codetune_ui.runs.store import Home, Run
from tests.bench.data_step import MB, make_code

POLL_S = 0.3
SILENT = {"RAY_USAGE_STATS_ENABLED": "0", "TOKENIZERS_PARALLELISM": "false"}


def task(folder: str, number: int) -> None:
    from codetune_ui.core import secrets

    secrets.THREADS = 1
    Path(folder, f"began-{number}").touch()
    read_part(Run(Path(folder)), number)


def by_datatrove(folder: str, tasks: int, processes: int) -> None:
    from datatrove.executor import LocalPipelineExecutor

    LocalPipelineExecutor(
        pipeline=[_Step(folder)], tasks=tasks, workers=processes, logging_dir=f"{folder}/logs"
    ).run()


class _Step:
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, data: object, rank: int, world_size: int) -> None:  # noqa: ARG002
        task(self.folder, rank)


def by_ray(folder: str, tasks: int, processes: int) -> None:
    import ray

    def one(row: dict[str, Any]) -> dict[str, Any]:
        task(folder, int(row["id"]))
        return row

    ray.init(num_cpus=processes, include_dashboard=False, log_to_driver=False)
    numbers = ray.data.range(tasks, override_num_blocks=tasks)
    numbers.map(one, concurrency=processes).materialize()


def by_nothing(folder: str, tasks: int, processes: int) -> None:
    with ProcessPoolExecutor(processes, mp_context=get_context("forkserver")) as pool:
        list(pool.map(partial(task, folder), range(tasks)))


ENGINES = {"multiprocessing": by_nothing, "datatrove": by_datatrove, "ray": by_ray}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--run", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        ENGINES[args.run[0]](args.run[1], args.tasks, args.processes)
        return
    folder = Path(tempfile.mkdtemp(prefix="rows_engines_"))
    try:
        home = Home(folder / "home")
        os.environ.update(environment(home.path) | SILENT | {"PYTHONPATH": str(PROJECT_ROOT)})
        find_secrets([""])
        size = make_code(folder / "code", args.mb * MB)
        config = Config.from_dict({"source": str(folder / "code")})
        print(f"{size / MB:.0f} MB, {args.tasks} tasks, {args.processes} processes", flush=True)
        for engine in ENGINES:
            run = home.create_prepared(config, engine)
            make_plan(run, args.tasks)
            measured(engine, run, args)
    finally:
        shutil.rmtree(folder)


def measured(engine: str, run: Run, args: argparse.Namespace) -> None:
    asked = ["--run", engine, str(run.path), "--tasks", str(args.tasks)]
    command = [sys.executable, "-m", "tests.bench.rows_engines", *asked]
    begun, wall, peak = time.time(), time.perf_counter(), 0.0
    with (run.path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--processes", str(args.processes)],
            cwd=PROJECT_ROOT,
            stdout=log,
            stderr=log,
        )
        while process.poll() is None:
            peak = max(peak, tree_mb(process.pid))
            time.sleep(POLL_S)
    seconds = time.perf_counter() - wall
    first = min((p.stat().st_mtime for p in run.path.glob("began-*")), default=begun) - begun
    whole = hashlib.sha256()
    for path in sorted((run.path / "read").glob("*")):
        whole.update(path.read_bytes())
    print(
        f"{engine:<16} first task after {first:.1f} s, all after {seconds:.1f} s, {peak:.0f} MB, "
        f"status {process.returncode}, {whole.hexdigest()[:12]}",
        flush=True,
    )
    if process.returncode:
        print((run.path / "log").read_text()[-2000:])


def tree_mb(pid: int) -> float:
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for one in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
    return total / MB


if __name__ == "__main__":
    main()
