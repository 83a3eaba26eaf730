from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainingArguments

from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.engine import checkpoint
from codetune_ui.engine.scorecard import Reading
from codetune_ui.engine.train import FusedTrainer, RowTrainer, summed_loss
from codetune_ui.runs.leftovers import discard_attempt
from tests.engine.helpers import (
    events,
    load_tuned,
    make_card,
    make_run,
    tiny_config,
    train_here,
    train_scored,
    write_held_out,
)


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


def test_a_process_that_sees_two_cards_is_refused_before_they_are_joined(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingArguments, "n_gpu", 2)
    run = make_run(tiny_config(tiny_model), "both")
    with pytest.raises(MachineError, match="This process sees 2 GPUs, and may train on one alone"):
        train_here(run)


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
        tiny_config(tiny_model, save_every=6, learning_rate=1.0, max_grad_norm=0), "bang"
    )
    original = load_tuned.__globals__["model"].attach_adapter

    def poisoned(base: Any, config: Any) -> Any:
        tuned = original(base, config)
        weight = next(p for n, p in tuned.named_parameters() if "lora_B" in n)
        weight.data.fill_(float("nan"))
        return tuned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_tuned.__globals__["model"], "attach_adapter", poisoned)
        with pytest.raises(RunError, match="The loss is not a number at step 4") as caught:
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


def steps_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("step_*"))


def card_run(model: Path, name: str, **changes: Any) -> tuple[Any, Any]:
    run = make_run(tiny_config(model, **changes), name)
    write_held_out(run)
    return run, make_card(run)


def script(patch: pytest.MonkeyPatch, nlls: dict[int, float]) -> None:
    """Let the holes read, at each step, what was written down beforehand."""

    def read(trainer: RowTrainer, _card: Any) -> Reading:
        return Reading(8, nlls[trainer.state.global_step], 0.25)

    patch.setattr(FusedTrainer, "_read_holes", read)


def test_holes_are_measured_at_each_evaluation_and_after_the_last_step(tiny_model: Path) -> None:
    run, card = card_run(tiny_model, "card", learning_rate=2e-2)
    _, _, best = train_scored(run, card)
    cards = events(run, "scorecard")
    assert [card["step"] for card in cards] == [0, 4, 6]
    assert {card["holes"] for card in cards} == {8}
    assert all(0.0 <= card["exact"] <= 1.0 for card in cards)
    assert [score.nll for score in best.scores] == [card["middle_nll_per_char"] for card in cards]


def test_measuring_holes_changes_nothing_in_the_training(tiny_model: Path) -> None:
    measured, card = card_run(tiny_model, "measured", lora_dropout=0.1)
    whole, _, _ = train_scored(measured, card)
    bare, _ = card_run(tiny_model, "bare", lora_dropout=0.1)
    other, _ = train_here(bare)
    assert_equal(adapter_of(whole), adapter_of(other))


def test_the_best_adapter_is_published_although_no_checkpoint_has_its_step(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, {0: 0.9, 2: 0.5, 4: 0.6, 6: 0.7})
    run, card = card_run(tiny_model, "best", eval_every=2, save_every=3)
    whole, _, best = train_scored(run, card)
    assert steps_of(run.best_dir) == ["step_000002"]
    kept = best.publish(whole, 6)
    assert (kept.step, kept.folder) == (2, run.adapter_dir)
    assert kept.why.startswith("The adapter is that of step 2, the best measured (0.500")
    published = load_file(run.adapter_dir / "adapter_model.safetensors")
    in_training = {
        name.replace(".default", ""): tensor for name, tensor in adapter_of(whole).items()
    }
    assert published.keys() == in_training.keys()
    assert any(not torch.equal(published[name], in_training[name]) for name in published)
    assert sorted(path.name for path in run.adapter_dir.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    best.forget()
    assert not run.best_dir.exists()


def test_the_last_adapter_is_published_where_that_is_set(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, {0: 0.9, 4: 0.5, 6: 0.7})
    run, card = card_run(tiny_model, "last", keep_best="last")
    whole, _, best = train_scored(run, card)
    assert not run.best_dir.exists()
    kept = best.publish(whole, 6)
    assert kept.step == 6
    assert "as set" in kept.why


def test_the_last_adapter_is_published_when_it_is_the_best(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, {0: 0.9, 4: 0.5, 6: 0.4})
    run, card = card_run(tiny_model, "still")
    whole, _, best = train_scored(run, card)
    assert best.publish(whole, 6).step == 6
    published = load_file(run.adapter_dir / "adapter_model.safetensors")
    for name, tensor in adapter_of(whole).items():
        assert torch.equal(published[name.replace(".default", "")], tensor)


def test_a_damaged_best_adapter_is_not_published(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, {0: 0.9, 4: 0.5, 6: 0.7})
    run, card = card_run(tiny_model, "damaged")
    train_scored(run, card)
    weights = run.best_dir / "step_000004" / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-4])
    assert checkpoint.kept_best(run) is None


def test_it_ends_early_when_evaluations_bring_no_gain(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, {0: 0.9, 1: 0.6, 2: 0.5, 3: 0.55, 4: 0.5, 5: 0.4, 6: 0.3})
    run, card = card_run(tiny_model, "early", eval_every=1, early_stop=2)
    _, _, best = train_scored(run, card)
    assert [event["step"] for event in events(run, "train")][-1] == 4
    assert steps_of(run.checkpoints_dir) == ["step_000004"]
    assert best.early(4) == (
        "Stopped early at step 4 of 6: the 2 evaluations since step 2 found held-out code no "
        "likelier."
    )


def test_it_never_ends_early_unless_that_is_set(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4, 4: 0.5, 5: 0.6, 6: 0.7})
    run, card = card_run(tiny_model, "through", eval_every=1)
    _, _, best = train_scored(run, card)
    assert [event["step"] for event in events(run, "train")][-1] == 6
    assert best.early(6) == ""


def test_a_resumed_run_remembers_its_best_and_how_long_it_has_waited(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, {0: 0.9, 2: 0.5, 4: 0.6, 6: 0.7, 8: 0.8})
    changes = {"max_steps": 8, "eval_every": 2, "save_every": 4, "early_stop": 3}
    run, card = card_run(tiny_model, "again", **changes)
    train_scored(run, card)
    for path in checkpoint.checkpoints(run)[1:]:
        (path / "optimizer.pt").unlink()
    whole, _, best = train_scored(run, card, resume=True, job="resume")
    assert [score.step for score in best.scores] == [0, 2, 4, 6, 8]
    assert [event["step"] for event in events(run, "scorecard")] == [0, 2, 4, 6, 8, 6, 8]
    assert best.publish(whole, 8).step == 2


def test_a_best_adapter_of_a_discarded_attempt_leaves_the_one_before(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, {0: 0.9, 2: 0.5, 4: 0.6, 6: 0.4, 8: 0.3})
    run, card = card_run(tiny_model, "left", max_steps=8, eval_every=2, save_every=4)
    train_scored(run, card)
    assert steps_of(run.best_dir) == ["step_000008"]
    shutil.rmtree(run.best_dir / "step_000008")
    kept = checkpoint.keep_best(load_tuned(run.config()), run, 2, 0.5, besides=None)
    os.utime(kept, (1.0, 1.0))
    for path in checkpoint.checkpoints(run)[1:]:
        (path / "optimizer.pt").unlink()
    train_scored(run, card, resume=True, job="resume")
    assert steps_of(run.best_dir) == ["step_000002", "step_000008"]
    discard_attempt(run)
    assert steps_of(run.best_dir) == ["step_000002"]
    assert checkpoint.kept_best(run) == (kept, 0.5)


def test_a_run_begun_anew_forgets_what_an_earlier_attempt_kept(tiny_model: Path) -> None:
    run, card = card_run(tiny_model, "anew")
    checkpoint.keep_best(load_tuned(run.config()), run, 4, 0.01, besides=None)
    _, _, best = train_scored(run, card)
    found = checkpoint.kept_best(run)
    assert found is not None
    assert found[1] > 0.01
    assert len(best.scores) == 3


def test_a_run_goes_on_without_holes_when_the_memory_does_not_suffice_for_them(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Reading:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(FusedTrainer, "_read_holes", full)
    run, card = card_run(tiny_model, "full")
    whole, _, best = train_scored(run, card)
    assert events(run, "scorecard") == []
    warnings = [event for event in events(run, "log") if event["level"] == "warning"]
    assert [event["message"] for event in warnings] == [
        "The memory did not suffice for the held-out holes: they are measured no more."
    ]
    assert best.publish(whole, 6).why == (
        "The adapter is that of the last step, 6: no other was measured."
    )


def test_the_plain_engine_measures_holes_too(tiny_model: Path) -> None:
    fused, card = card_run(tiny_model, "fused", max_steps=1, eval_every=1)
    plain, same = card_run(tiny_model, "plain", max_steps=1, eval_every=1, engine="plain")
    train_scored(fused, card)
    train_scored(plain, same)
    found = [[e["middle_nll_per_char"] for e in events(run, "scorecard")] for run in (fused, plain)]
    assert len(found[0]) == 2
    assert found[0] == pytest.approx(found[1], rel=2e-3)
