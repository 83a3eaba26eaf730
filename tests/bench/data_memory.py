"""How much memory and how long to the first files? `python -m tests.bench.data_memory --mb 100`.

A scan and a preparation of the code that `data_step` makes (or of `--source`), each in a process of
its own as the app starts it. Printed: memory at its peak, and when the first and the hundredth file
stood in files.jsonl, with the scanner's own cache empty (`--cold`) or filled.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from codetune_ui.core.assets import DEMO_MODEL, PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.core.secrets import find_secrets
from codetune_ui.runs.process import environment
from codetune_ui.runs.store import Home, Run
from tests.bench.data_step import MB, make_code

POLL_S = 0.005


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--source")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--only", choices=("scan", "prepare"))
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="data_memory_"))
    try:
        home = Home(folder / "home")
        os.environ.update(environment(home.path))
        if not args.cold:
            find_secrets([""])  # fills the cache of the scanner's rules
        if not args.source:
            make_code(folder / "code", args.mb * MB)
        settings = {"source": args.source or str(folder / "code"), "max_seq_len": 512}
        config = Config.from_dict(settings | {"max_steps": 10})
        for kind in (args.only,) if args.only else ("prepare", "scan"):
            print(json.dumps({"job": kind} | measured(kind, home, config)), flush=True)
    finally:
        shutil.rmtree(folder)


def measured(kind: str, home: Home, config: Config) -> dict[str, object]:
    run = home.create_scan(config) if kind == "scan" else home.create_run(config, "prepared")
    run.dataset_dir.mkdir()
    begun = time.perf_counter()
    command = [sys.executable, "-m", *command_of(kind, run)]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE)
    seen: dict[str, float] = {}
    peak = 0.0
    while process.poll() is None:
        time.sleep(POLL_S)
        peak = max(peak, peak_mb(process.pid))
        lines = 0
        with contextlib.suppress(OSError):
            if "file 100" not in seen:
                lines = (run.path / "files.jsonl").read_bytes().count(b"\n")
        for number in (1, 100):
            if lines >= number:
                seen.setdefault(f"file {number}", round(time.perf_counter() - begun, 2))
    seconds = round(time.perf_counter() - begun, 1)
    return {"peak_mb": round(peak), "seconds": seconds, "status": process.returncode} | seen


def command_of(kind: str, run: Run) -> list[str]:
    if kind == "scan":
        return ["codetune_ui.engine.worker", "scan", str(run.path)]
    return ["codetune_ui.engine.prepare", str(run.path), str(DEMO_MODEL)]


def peak_mb(pid: int) -> float:
    """The high-water mark that Linux keeps; elsewhere what the process has now."""
    import psutil

    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1000
    with contextlib.suppress(psutil.Error):
        return float(psutil.Process(pid).memory_info().rss / MB)
    return 0.0


if __name__ == "__main__":
    main()
