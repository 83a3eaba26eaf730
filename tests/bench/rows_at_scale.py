"""Rows of a large source by several processes: `python -m tests.bench.rows_at_scale --mb 10000`.

The code is `data_step`'s: the standard library over and over, with other names each time. Rows for
one epoch of it are prepared by each of `--processes` in turn, and with `--usual` by a scan and a
run's own process, as the app does it alone. Printed: seconds and memory of each step, the sha256 of
the rows, which must be one and the same, the disk at its fullest, and what 100 GB and 10 TB would
take at the same speed.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import DEMO_MODEL, PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.core.secrets import find_secrets
from codetune_ui.core.tokens import CodeTokenizer, chars_per_token
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.process import environment
from codetune_ui.runs.store import Home, Run
from tests.bench.data_memory import peak_mb
from tests.bench.data_step import MB, make_code

SEQ, BATCH = 2048, 16
STEPS = ("read", "merge", "cut", "pack")
POLL_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=300)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tasks", type=int, default=0)
    parser.add_argument("--usual", action="store_true")
    parser.add_argument("--folder", help="where the code and the rows lie meanwhile")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rows_at_scale_", dir=args.folder))
    try:
        measure(folder, args)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, args: argparse.Namespace) -> None:
    home = Home(folder / "home")
    os.environ.update(environment(home.path))
    find_secrets([""])  # fills the cache of the scanner's rules
    size = make_code(folder / "code", args.mb * MB)
    config = one_epoch(folder / "code", size)
    print(f"{size / MB:,.0f} MB of code, {config.max_steps * BATCH:,} rows of {SEQ}", flush=True)
    hashes = {}
    if args.usual:
        hashes["usual"] = usual(home, config)
    seconds: dict[int, dict[str, float]] = {}
    for processes in args.processes:
        hashes[str(processes)], seconds[processes] = in_parts(home, config, processes, args.tasks)
    print("the same bytes:", len(set(hashes.values())) == 1, set(hashes.values()))
    for first, *others in [args.processes]:
        for other in others:
            gain = sum(seconds[first].values()) / sum(seconds[other].values())
            print(f"{other} processes: {gain:.2f} times as fast as {first}")
    project(size, seconds[args.processes[0]])


def one_epoch(code: Path, size: int) -> Config:
    files = sorted(code.rglob("*.py"))[::97][:200]
    density = chars_per_token(CodeTokenizer.from_folder(DEMO_MODEL), [f.read_text() for f in files])
    steps = round(size / density / SEQ / BATCH)
    changes = {"source": str(code), "max_steps": max(1, steps), "max_seq_len": SEQ}
    return Config.from_dict(changes | {"global_batch_rows": BATCH, "micro_batch_rows": 1})


def in_parts(
    home: Home, config: Config, processes: int, tasks: int
) -> tuple[str, dict[str, float]]:
    """Prepare by so many processes; return the hash of the rows and each step's seconds."""
    job = home.create_prepared(config, f"by-{processes}")
    asked = {"processes": processes, "tasks": tasks, "options": None}
    replace_json(job.path / "asked.json", asked)
    command = [sys.executable, "-m", "codetune_ui.engine.worker", "prepare", str(job.path)]
    begun, most_disk = time.perf_counter(), 0
    with (job.path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(POLL_S * 10)
            most_disk = max(most_disk, job.size_bytes())
    seconds = time.perf_counter() - begun
    result = json.loads(job.result_path.read_text())
    print(f"\n{processes} processes: {seconds:.1f} s in all, {most_disk / MB:,.0f} MB of disk")
    steps = phases(job)
    for used in result["steps"]:
        name, peak = used["step"], used["peak_mb"]
        worked = f"{used['processor_seconds']:8.1f} s of processors"
        print(f"  {name:<6} {steps[name]:8.1f} s {worked}  {used['tasks']} tasks  {peak} MB each")
    print(f"  {result['kept']:,} files kept of {result['found']:,}")
    found = sha256_of(job.dataset_dir)
    shutil.rmtree(job.dataset_dir)
    return found, steps


def phases(job: Run) -> dict[str, float]:
    """How long each step took by the clock, from the worker's own events."""
    events = [json.loads(line) for line in job.events_path.read_text().splitlines()]
    at = [event["ts"] for event in events if event["kind"] in ("phase", "state")]
    took = [end - begin for begin, end in itertools.pairwise(at[-len(STEPS) - 1 :])]
    return dict(zip(STEPS, took, strict=True))


def usual(home: Home, config: Config) -> str:
    """What the app does alone: a scan, and a run whose rows are cut from it."""
    scan, run = home.create_scan(config), home.create_run(config, "usual")
    run.dataset_dir.mkdir()
    parts = {"scan": watched("codetune_ui.engine.worker", "scan", scan.path)}
    for name in ("documents.jsonl", "index.jsonl"):
        os.link(scan.path / name, run.dataset_dir / name)
    replace_json(run.dataset_dir / "begun.json", {"from": "scan"})
    parts["rows"] = watched("codetune_ui.engine.prepare", run.path, DEMO_MODEL)
    print(f"\nas usual: {sum(s for s, _ in parts.values()):.1f} s in all")
    for name, (seconds, peak) in parts.items():
        print(f"  {name:<6} {seconds:8.1f} s  {peak:.0f} MB", flush=True)
    found = sha256_of(run.dataset_dir)
    shutil.rmtree(scan.path)
    shutil.rmtree(run.path)
    return found


def watched(*command: Any) -> tuple[float, float]:
    """Run a module; return its seconds and its memory at its peak."""
    words = [sys.executable, "-m", *map(str, command)]
    begun, peak = time.perf_counter(), 0.0
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            words, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log
        ) as process,
    ):
        while process.poll() is None:
            peak = max(peak, peak_mb(process.pid))
            time.sleep(POLL_S)
    return time.perf_counter() - begun, peak


def sha256_of(dataset: Path) -> str:
    whole = hashlib.sha256()
    for name in ("train.rows", "val.rows", "held_out.jsonl"):
        with (dataset / name).open("rb") as file:
            while piece := file.read(1 << 24):
                whole.update(piece)
    return whole.hexdigest()[:16]


def project(size: int, seconds: dict[str, float]) -> None:
    """Say what more code would take at this speed: each step grows with the code."""
    print("\nat this speed, with one process for merge and pack:")
    for name, wanted in (("100 GB", 1e11), ("10 TB", 1e13)):
        hours = {step: s * wanted / size / 3600 for step, s in seconds.items()}
        told = ", ".join(f"{step} {h:,.1f} h" for step, h in hours.items())
        print(f"  {name}: {told}")


if __name__ == "__main__":
    main()
