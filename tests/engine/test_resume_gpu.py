"""A run in 4 bit on a GPU that was killed goes on as if nothing had been.

Run by hand where there is a card: python -m pytest -m gpu -rP tests/engine/test_resume_gpu.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from codetune_ui.engine import checkpoint
from codetune_ui.runs import process
from codetune_ui.runs.store import Run
from tests.engine.helpers import events, make_run, tiny_config, train_here
from tests.engine.test_worker import make, seen, wait

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning"),  # libraries' own
]
TOLERANCE = 1e-3  # of a loss: sums in 16 bit come in another order each time


def losses(run: Run, after: int = 0) -> dict[int, float]:
    """The last loss that was told of each step."""
    return {event["step"]: event["loss"] for event in seen(run, "train") if event["step"] > after}


def adapter(tuned: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in tuned.parameters() if p.requires_grad])


@pytest.mark.parametrize(("engine", "dropout"), [("fused", 0.0), ("plain", 0.0), ("plain", 0.1)])
def test_a_resume_in_4_bit_repeats_what_it_would_have_been(
    tiny_model: Path, engine: str, dropout: float
) -> None:
    config = tiny_config(tiny_model, max_steps=12, lora_dropout=dropout, quant="nf4", engine=engine)
    straight, parted = make_run(config, "straight"), make_run(config, "parted")
    whole, _ = train_here(straight)
    train_here(parted)
    for path in checkpoint.checkpoints(parted)[1:]:
        (path / "optimizer.pt").unlink()
    resumed, _ = train_here(parted, resume=True, job="resume")
    assert events(parted, "resume")[0]["step"] == 8
    expected = losses(straight)
    for step, loss in losses(parted).items():
        assert loss == pytest.approx(expected[step], rel=TOLERANCE), step
    change = (adapter(whole) - adapter(resumed)).norm() / adapter(whole).norm()
    print(f"{engine}, dropout {dropout}: adapters differ by {change.item():.1e}")  # noqa: T201
    assert change.item() < TOLERANCE


def test_a_killed_run_in_4_bit_has_the_losses_of_an_undisturbed_one(
    tiny_model: Path, code_folder: Path
) -> None:
    settings: dict[str, Any] = {
        "max_steps": 600,
        "save_every": 100,
        "eval_every": 100,
        "quant": "nf4",
        "learning_rate": 1e-3,
    }
    straight = make(tiny_model, code_folder, "straight", **settings)
    process.start_worker(straight, "train")
    wait(straight, lambda: not straight.alive())
    parted = make(tiny_model, code_folder, "parted", **settings)
    process.start_worker(parted, "train")
    wait(parted, lambda: parted.status().step >= 250)
    process.kill_worker(parted)
    wait(parted, lambda: not parted.alive())
    assert parted.state() == "lost"
    process.start_worker(parted, "resume")
    wait(parted, lambda: not parted.alive())
    assert (straight.state(), parted.state()) == ("finished", "finished"), parted.log_tail()
    expected, found = losses(straight), losses(parted)
    assert found.keys() == expected.keys()
    worst = max(abs(found[step] / expected[step] - 1) for step in expected)
    print(f"killed and resumed: losses differ by at most {worst:.1e}")  # noqa: T201
    assert worst < TOLERANCE
