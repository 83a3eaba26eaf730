"""The benchmark of training, run as a person runs it, on tiny models."""

from __future__ import annotations

import subprocess
import sys

import pytest

from codetune_ui.core.assets import DEMO_CODE, PROJECT_ROOT
from tests.bench.train import __main__ as bench

SMALL = "--max-seq-len 128 --tokens-per-step 512 --steps 1 --warm-up 0 --rows 2 --ours rows=4"


def table(*options: str) -> dict[str, list[str]]:
    """Run it on the demo's code; return the cells of every side."""
    command = [sys.executable, "-m", "tests.bench.train", "--data", str(DEMO_CODE)]
    done = subprocess.run(
        [*command, *SMALL.split(), *options],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.strip("| ").split("|") for line in done.stdout.splitlines() if "tiny" in line]
    return {line[1].strip(): [cell.strip() for cell in line[2:]] for line in lines}


def test_every_side_computes_the_same_loss_and_gradient() -> None:
    found = table("--shape", "tiny-qwen2", "--side", "guide,plain,ours", "--borders")
    assert list(found) == ["guide", "plain", "ours, keep ALL"]
    loss, norm = (float(cell) for cell in found["plain"][5:7])
    assert norm > 0
    for cells in found.values():
        assert float(cells[5]) == pytest.approx(loss, abs=1e-3)
        assert float(cells[6]) == pytest.approx(norm, rel=1e-3)


def test_a_peer_without_kernels_for_a_shape_is_a_line_of_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "PEERS", {"liger": "numpy"})  # a package that is there
    assert bench.refusal("starcoderbase-1b", "liger") == "has no kernels for GPTBigCode"
    assert bench.refusal("qwen2.5-coder-7b", "liger") == ""


def test_a_peer_that_is_not_there_is_a_line_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PEERS", {"liger": "no_such_package"})
    assert bench.refusal("qwen2.5-coder-7b", "liger") == "not installed"


def test_passes_fill_a_step_whatever_the_rows_of_a_pass_are() -> None:
    asked = bench.arguments().parse_args(
        [
            "--shape",
            "tiny",
            "--side",
            "guide:4,liger,ours",
            "--ours",
            "rows=16",
            "rows=2,keep=STREAM",
        ]
    )
    assert [(line.label, line.rows, line.passes) for line in bench.lines(asked, 16)] == [
        ("guide", 4, 4),
        ("liger", 16, 1),
        ("liger, no checkpointing", 16, 1),
        ("ours, keep ALL", 16, 1),
        ("ours, keep STREAM", 2, 8),
    ]
