"""Whatever ends a training on a GPU, its memory is free again.

Run by hand where there is a card: python -m pytest -m gpu tests/engine/test_memory_gpu.py
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from codetune_ui.runs import process
from codetune_ui.runs.doctor import gpus
from codetune_ui.runs.store import Run
from tests.engine.test_worker import make, wait

pytestmark = pytest.mark.gpu
SAME_GIB = 0.15  # what the driver's own figure moves by
GONE_S = 10.0


def free_gib() -> float:
    return float(gpus()[0]["memory_free_gib"])


def assert_free_again(before: float) -> None:
    deadline = time.monotonic() + GONE_S
    while free_gib() < before - SAME_GIB:
        assert time.monotonic() < deadline, f"{free_gib()} GiB free of {before}"
        time.sleep(0.2)


def go(run: Run, job: str, before: float) -> None:
    """Start, and wait until it trains on the card."""
    steps = run.status().step
    process.start_worker(run, job)
    wait(run, lambda: run.status().step > steps + 10)
    assert free_gib() < before - SAME_GIB


def test_a_training_that_is_killed_stopped_or_discarded_gives_the_gpu_memory_back(
    tiny_model: Path, code_folder: Path
) -> None:
    before = free_gib()
    run = make(tiny_model, code_folder, "comes-and-goes", max_steps=20_000, quant="nf4")
    go(run, "train", before)
    process.kill_worker(run)
    assert_free_again(before)
    go(run, "resume", before)
    process.request_stop(run)
    wait(run, lambda: not run.alive())
    assert run.state() == "stopped", run.log_tail()
    assert_free_again(before)
    go(run, "resume", before)
    process.request_stop(run, discard=True)
    wait(run, lambda: not run.alive())
    assert_free_again(before)
