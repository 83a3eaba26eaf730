"""Train a published shape through the app itself and print tokens per second, memory and loss.

python -m tests.bench.train --shape starcoderbase-1b --steps 20 --data FOLDER_OF_CODE
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.events import read_events
from tests.bench.shapes import SHAPES, build


def run_app(home: Path, model: Path, data: str, steps: int, settings: list[str]) -> dict[str, Any]:
    """Run `app.py train` on the guide's settings and return its last line."""
    fixed = [f"max_steps={steps}", "warmup_steps=3", "log_every=1", f"eval_every={steps}"]
    command = [
        sys.executable,
        "app.py",
        "--home",
        str(home),
        "train",
        "--preset",
        "guide",
        "--json",
    ]
    command += ["--model", str(model), "--data", data, "--name", "bench"]
    for pair in [*fixed, f"save_every={steps}", "data_dir=", *settings]:
        command += ["--set", pair]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr[-4000:])
    log = home / "runs" / "bench" / "worker.log"
    if done.returncode and log.exists():
        sys.stderr.write(log.read_text(encoding="utf-8")[-4000:])
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {"state": "no output"}


def report(home: Path, result: dict[str, Any]) -> None:
    """Print every step, then one line a person can copy into LOG.md."""
    events, _ = read_events(home / "runs" / "bench" / "events.jsonl")
    for event in events:
        if event["kind"] in ("plan", "train", "eval"):
            print(json.dumps({name: value for name, value in event.items() if name != "ts"}))
    print(json.dumps(result))


def main() -> None:
    """Build the shape, train it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--data", required=True)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        model = build(options.shape, Path(folder) / "model")
        print(f"built {options.shape} in {time.perf_counter() - started:.0f} s")
        home = Path(folder) / "home"
        report(home, run_app(home, model, options.data, options.steps, options.settings))


if __name__ == "__main__":
    main()
