from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from codetune_ui.core.errors import RunError
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.engine import checkpoint
from codetune_ui.engine.train import summed_loss
from tests.engine.helpers import events, load_tuned, make_run, tiny_config, train_here


def adapter_of(tuned: Any) -> dict[str, torch.Tensor]:
    return {
        name: parameter.detach().clone()
        for name, parameter in tuned.named_parameters()
        if parameter.requires_grad
    }


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def losses(run: Any) -> list[float]:
    return [event["loss"] for event in events(run, "train")]


def test_loss_is_summed_over_the_next_tokens_that_carry_it() -> None:
    logits = torch.zeros(1, 4, 8)
    labels = torch.tensor([[5, IGNORE_INDEX, 6, 7]])
    nll, targets = summed_loss(logits, labels)
    assert int(targets) == 2
    assert float(nll) == pytest.approx(2 * 2.0794415)


def test_training_lowers_the_loss_and_reports_each_step(tiny_model: Path) -> None:
    run = make_run(tiny_config(tiny_model, max_steps=12, learning_rate=2e-2), "falls")
    _, meter = train_here(run)
    seen = events(run, "train")
    assert [event["step"] for event in seen] == list(range(1, 13))
    assert seen[-1]["loss"] < seen[0]["loss"] - 0.1
    assert seen[-1]["tokens"] == meter.total_tokens
    assert 0 < meter.total_tokens <= 12 * 4 * 64
    assert [event["step"] for event in events(run, "eval")] == [0, 4, 8, 12]
    assert [event["name"] for event in events(run, "checkpoint")] == [
        "step_000004",
        "step_000008",
        "step_000012",
    ]
    assert [path.name for path in checkpoint.checkpoints(run)] == ["step_000008", "step_000012"]


def test_accumulation_changes_nothing(tiny_model: Path) -> None:
    whole = make_run(tiny_config(tiny_model, micro_batch_rows=4, max_steps=3), "whole")
    parts = make_run(tiny_config(tiny_model, micro_batch_rows=1, max_steps=3), "parts")
    train_here(whole)
    train_here(parts)
    torch.testing.assert_close(losses(whole), losses(parts), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("quant", ["none", "nf4"])
def test_resume_is_the_same_run_to_the_bit(tiny_model: Path, quant: str) -> None:
    config = tiny_config(tiny_model, max_steps=8, lora_dropout=0.1, quant=quant)
    straight = make_run(config, "straight")
    whole, _ = train_here(straight)
    parted = make_run(config, "parted")
    train_here(parted)
    for path in checkpoint.checkpoints(parted)[1:]:
        (path / "optimizer.pt").unlink()
    resumed, _ = train_here(parted, resume=True, job="resume")
    assert_equal(adapter_of(whole), adapter_of(resumed))
    assert losses(parted)[-4:] == losses(straight)[-4:]
    assert events(parted, "train")[-1]["tokens"] == events(straight, "train")[-1]["tokens"]


def test_a_loss_that_is_not_a_number_ends_the_run_unsaved(tiny_model: Path) -> None:
    run = make_run(
        tiny_config(tiny_model, save_every=1, learning_rate=1.0, max_grad_norm=0), "bang"
    )
    original = load_tuned.__globals__["model"].attach_adapter

    def poisoned(base: Any, config: Any) -> Any:
        tuned = original(base, config)
        weight = next(p for n, p in tuned.named_parameters() if "lora_B" in n)
        weight.data.fill_(float("nan"))
        return tuned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_tuned.__globals__["model"], "attach_adapter", poisoned)
        with pytest.raises(RunError, match="The loss is not a number at step 1") as caught:
            train_here(run)
    assert "Lower the learning rate" in caught.value.hint
    assert checkpoint.checkpoints(run) == []


def test_a_wish_to_stop_ends_after_the_step_with_a_checkpoint(tiny_model: Path) -> None:
    run = make_run(tiny_config(tiny_model), "stops")
    run.stop_path.write_text("save")
    train_here(run)
    assert [path.name for path in checkpoint.checkpoints(run)] == ["step_000001"]
    assert [event["step"] for event in events(run, "eval")] == [0]


def test_a_wish_to_discard_saves_nothing(tiny_model: Path) -> None:
    run = make_run(tiny_config(tiny_model), "drops")
    run.stop_path.write_text("discard")
    train_here(run)
    assert checkpoint.checkpoints(run) == []
