"""Which engine is taken, and that a step cut into passes is the same step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError
from codetune_ui.core.ways import Choice, Way
from codetune_ui.engine.fused import build, loss
from codetune_ui.engine.fused.decoder import Batch, FusedDecoder
from codetune_ui.engine.fused.graph import Size, pad
from codetune_ui.engine.fused.steps import FusedSteps
from codetune_ui.engine.model import Precision
from codetune_ui.engine.pace import Pace, choose_pace, smaller_ways
from codetune_ui.engine.rows import flatten
from tests.borders import tiny
from tests.engine.helpers import SEQ, load_tuned, some_rows, tiny_config

PLAIN = Precision("none", torch.float32, "sdpa")


def pace_of(folder: Path, **changes: Any) -> Pace:
    model: Any = tiny("gpt_bigcode", "sdpa")
    model.save_pretrained(folder)
    config: Config = tiny_config(folder, **changes)
    return choose_pace(load_tuned(config), config, PLAIN, some_rows(2))


def test_a_model_that_it_knows_is_trained_by_the_fused_engine(tmp_path: Path) -> None:
    pace = pace_of(tmp_path)
    assert pace.steps is not None
    assert pace.sentence == "Fused engine, 2 rows a pass, nothing computed twice."


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"engine": "plain"}, "as it is set"),
        ({"attention": "eager"}, "attention is set to eager"),
        ({"lora_dropout": 0.1}, "its adapter has dropout, or is not a plain LoRA"),
    ],
)
def test_the_plain_engine_says_why_it_is_taken(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    pace = pace_of(tmp_path, **change)
    assert pace.steps is None
    assert pace.sentence == f"Plain engine, 2 rows a pass, nothing computed twice ({why})."


def test_a_fused_engine_that_was_asked_for_and_cannot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"The fused engine cannot train this: its adapter has"):
        pace_of(tmp_path, engine="fused", lora_dropout=0.1)


def test_a_fused_engine_with_another_loss_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loss._pieces
    monkeypatch.setattr(loss, "_pieces", lambda *given: real(*given) * 1.05)
    assert "instead of" in pace_of(tmp_path).sentence


def test_a_model_of_another_kind_is_left_to_the_plain_engine() -> None:
    model: Any = tiny("gpt_bigcode", "sdpa")
    model.config.model_type = "mamba"
    with pytest.raises(build.UnfitError, match="models of the type mamba take the plain path"):
        build.take_apart(FakeTuned(model), torch.float32, SEQ)


class FakeTuned:
    def __init__(self, model: Any) -> None:
        self.model = model

    def get_base_model(self) -> Any:
        return self.model


def gradients(tuned: Any) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in tuned.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("way", [Way("fused", 1, 0.0), Way("fused", 4, 0.5), Way("fused", 2, 1.0)])
def test_every_way_makes_the_same_step(tmp_path: Path, way: Way) -> None:
    model: Any = tiny("qwen2", "sdpa")
    model.save_pretrained(tmp_path)
    tuned = load_tuned(tiny_config(tmp_path))
    decoder = FusedDecoder(tuned, torch.float32, SEQ)
    rows = some_rows(4)
    whole, targets = FusedSteps(decoder, Way("fused", 4, 0.0)).step(rows)
    expected = gradients(tuned)
    found, counted = FusedSteps(decoder, way).step(rows)
    assert counted == targets
    assert found.item() == pytest.approx(whole.item(), rel=1e-6)
    for name, gradient in gradients(tuned).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-7, msg=name)


def test_padding_a_batch_changes_neither_loss_nor_gradients(tmp_path: Path) -> None:
    model: Any = tiny("llama", "sdpa")
    model.save_pretrained(tmp_path)
    tuned = load_tuned(tiny_config(tmp_path))
    decoder = FusedDecoder(tuned, torch.float32, SEQ)
    batch = Batch.of(flatten(some_rows(2)))
    padded = pad(batch, Size("learn", len(batch.ids), 32, len(batch.ids)))
    # the CPU's attention goes by lengths: the padding of `ends` is for the GPU
    padded = Batch(padded.ids, padded.positions, batch.borders, padded.targets)
    results = []
    for one in (batch, padded):
        decoder.begin()
        total = decoder.add(one, torch.tensor(0.5))
        decoder.end()
        results.append((total.item(), gradients(tuned)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(gradient, results[1][1][name], rtol=1e-5, atol=1e-7, msg=name)


def test_a_size_has_room_for_its_batch() -> None:
    batch = Batch.of(flatten(some_rows(2)))
    size = Size.of(batch, "learn")
    assert size.tokens == 2 * SEQ
    assert size.examples >= len(batch.borders.ends) - 1
    assert size.targets >= len(batch.targets.ids)
    padded = pad(batch, size)
    assert len(padded.borders.ends) == size.examples + 1
    assert padded.borders.ends[-1] == 2 * SEQ
    assert len(padded.targets.ids) == size.targets


def test_sizes_are_joined_to_one_that_holds_both() -> None:
    one, other = Size("learn", 128, 16, 96), Size("learn", 128, 32, 64)
    assert one.joined(other) == other.joined(one) == Size("learn", 128, 32, 96)


def test_a_step_that_does_not_fit_is_made_again_in_a_smaller_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = tiny("qwen2", "sdpa")
    model.save_pretrained(tmp_path)
    tuned = load_tuned(tiny_config(tmp_path))
    decoder = FusedDecoder(tuned, torch.float32, SEQ)
    rows = some_rows(4)
    expected, targets = FusedSteps(decoder, Way("fused", 1, 0.0)).step(rows)
    wanted = gradients(tuned)
    real = FusedDecoder.add

    def cramped(self: FusedDecoder, batch: Batch, scale: torch.Tensor) -> torch.Tensor:
        found = real(self, batch, scale)  # fails late, with some gradients summed up already
        if len(batch.ids) > 2 * SEQ:
            raise torch.OutOfMemoryError
        return found

    monkeypatch.setattr(FusedDecoder, "add", cramped)
    steps = FusedSteps(decoder, Way("fused", 4, 0.0), [Way("fused", 2, 0.0), Way("fused", 1, 1.0)])
    found, counted = steps.step(rows)
    assert (steps.way, counted) == (Way("fused", 2, 0.0), targets)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    for name, gradient in gradients(tuned).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-7, msg=name)


def test_each_smaller_way_needs_a_fifth_less_than_the_last() -> None:
    needs = {Way("fused", 8, 0.0): 9.0, Way("fused", 4, 0.0): 5.0, Way("fused", 4, 0.5): 4.5}
    needs |= {Way("fused", 2, 0.0): 3.0, Way("fused", 1, 1.0): 1.0}
    chosen = Choice(Way("fused", 8, 0.0), 9.0, fits=True)
    found = smaller_ways(list(needs), chosen, needs.__getitem__)
    assert found == [Way("fused", 4, 0.0), Way("fused", 2, 0.0), Way("fused", 1, 1.0)]
