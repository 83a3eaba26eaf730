"""The app itself as a side: `app.py train` on the same code, with the figures of its own events."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.events import Event, read_events


@dataclass(frozen=True)
class Steps:
    """How many steps are counted and how many come before, and what one holds."""

    counted: int
    warm_up: int
    rows: int
    passes: int
    max_seq_len: int

    def settings(self) -> list[str]:
        """Return the app's settings that make it the task of the other sides."""
        total = self.counted + self.warm_up
        values = {
            "max_steps": total,
            "warmup_steps": self.warm_up,
            "log_every": 1,
            "eval_every": total,
            "save_every": total,
            "max_seq_len": self.max_seq_len,
            "micro_batch_rows": self.rows,
            "global_batch_rows": self.rows * self.passes,
            "lora_targets": "all-linear",
            "lora_dropout": 0,
            "data_dir": "",
        }
        return [f"{name}={value}" for name, value in values.items()]


def run_app(
    home: Path, model: Path, code: str, steps: Steps, settings: list[str]
) -> dict[str, Any]:
    """Train a model on the guide's preset; return figures as the other sides do.

    The speed is the app's own reading, the median of the counted steps; its rows are its own.
    """
    command = [sys.executable, "app.py", "--home", str(home), "train", "--preset", "guide"]
    command += ["--json", "--model", str(model), "--data", code, "--name", "bench"]
    for pair in [*steps.settings(), *settings]:
        command += ["--set", pair]
    began = time.time()
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    run = home / "runs" / "bench"
    log = run / "worker.log"
    if done.returncode:
        sys.stderr.write(done.stderr[-4000:])
        if log.exists():
            sys.stderr.write(log.read_text(encoding="utf-8")[-4000:])
        return {"failed": f"failed: app.py ended with status {done.returncode}"}
    events, _ = read_events(run / "events.jsonl")
    return figures(events, json.loads(done.stdout.splitlines()[-1]), steps.counted, began)


def phase_seconds(events: list[Event]) -> dict[str, float]:
    """Return how long each phase took, the training's up to its first step."""
    marks = [(e["phase"], e["ts"]) for e in events if e["kind"] == "phase"]
    first = next(e["ts"] for e in events if e["kind"] == "train")
    until = [*(ts for _, ts in marks if ts < first), first]
    return {name: round(end - ts, 2) for (name, ts), end in zip(marks, until[1:], strict=False)}


def evaluation_seconds(events: list[Event]) -> list[float]:
    """Return how long each evaluation took: from what was told before it to its last figure."""
    found: list[float] = []
    for before, event in itertools.pairwise(events):
        if event["kind"] == "eval":
            found.append(event["ts"] - before["ts"])
        elif event["kind"] == "scorecard" and before["kind"] == "eval":
            found[-1] += event["ts"] - before["ts"]
    return found


def figures(
    events: list[Event], result: dict[str, Any], steps: int, began: float
) -> dict[str, Any]:
    """Read the app's events of every step, and its last line; began: when it was started."""
    trained = [event for event in events if event["kind"] == "train"]
    return {
        "tokens_per_s": statistics.median(event["tokens_per_s"] for event in trained[-steps:]),
        "peak_gib": result.get("peak_memory_gib"),
        "reserved_gib": None,
        "first_loss": trained[0]["loss"],
        "first_grad_norm": trained[0]["grad_norm"],
        "first_step_s": trained[0]["ts"] - began,
        "spent": result.get("spent"),
        "evaluations_s": evaluation_seconds(events),
        "phases_s": phase_seconds(events),
    }
