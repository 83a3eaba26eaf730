from __future__ import annotations

import pytest

from codetune_ui.core.memory import estimate_memory
from codetune_ui.core.models import STARCODERBASE_1B, known_model
from codetune_ui.core.plan import planned_way
from codetune_ui.core.presets import preset
from codetune_ui.core.ways import Choice, Way, choose, is_fused, step_seconds, ways

RECIPE = preset("guide", lora_targets="all-linear")
SMALL, LARGE = Way("fused", 1, 0.0), Way("fused", 2, 0.0)


def test_the_fastest_way_that_leaves_a_spare_is_taken() -> None:
    needs = {SMALL: 4.0, LARGE: 9.3}
    seconds = {SMALL: 2.0, LARGE: 1.0}
    assert choose(needs, 10.0, needs.__getitem__, seconds.__getitem__) == Choice(SMALL, 4.0, True)
    assert choose(needs, 10.2, needs.__getitem__, seconds.__getitem__) == Choice(LARGE, 9.3, True)


def test_the_least_memory_is_taken_when_it_is_wished() -> None:
    needs = {SMALL: 4.0, LARGE: 9.3}
    seconds = {SMALL: 2.0, LARGE: 1.0}
    found = choose(needs, 100.0, needs.__getitem__, seconds.__getitem__, least=True)
    assert found == Choice(SMALL, 4.0, True)


def test_a_way_that_is_hardly_slower_is_taken_for_its_memory() -> None:
    needs = {SMALL: 4.0, LARGE: 9.3}
    seconds = {SMALL: 1.01, LARGE: 1.0}
    assert choose(needs, 100.0, needs.__getitem__, seconds.__getitem__).way == SMALL


def test_where_none_fits_the_choice_says_so() -> None:
    needs = {SMALL: 4.0, LARGE: 9.3}
    assert choose(needs, 3.0, needs.__getitem__, lambda _: 1.0) == Choice(SMALL, 4.0, False)


def test_rows_of_a_way_divide_the_rows_of_a_step() -> None:
    config = RECIPE.replace(global_batch_rows=6, micro_batch_rows=6)
    assert {way.rows for way in ways(config, fused=True)} == {1, 2, 3, 6}
    assert {way.again for way in ways(config, fused=False)} == {0.0, 1.0}


@pytest.mark.parametrize(
    ("change", "fused"),
    [
        ({}, True),
        ({"engine": "plain"}, False),
        ({"lora_dropout": 0.1}, False),
        ({"compute_dtype": "float16"}, False),
        ({"attention": "flash_attention_2"}, False),
    ],
)
def test_what_the_fused_engine_is_expected_to_train(change: dict[str, object], fused: bool) -> None:
    assert is_fused(RECIPE.replace(**change), STARCODERBASE_1B, gpu=True) is fused


@pytest.mark.parametrize(
    ("name", "rows", "again", "measured_gib"),
    [
        ("bigcode/starcoderbase-1b", 16, 0.0, 26.7),
        ("bigcode/starcoderbase-1b", 2, 0.0, 4.41),
        ("Qwen/Qwen2.5-Coder-1.5B", 16, 0.0, 44.6),
        ("Qwen/Qwen2.5-Coder-1.5B", 16, 1.0, 6.17),
        ("Qwen/Qwen2.5-Coder-7B", 8, 0.0, 52.5),
        ("Qwen/Qwen2.5-Coder-7B", 1, 1.0, 6.54),
    ],
)
def test_the_fused_engine_s_estimate_is_what_an_h200_measured(
    name: str, rows: int, again: float, measured_gib: float
) -> None:
    model = known_model(name)
    assert model is not None
    assert model.shape is not None
    estimate = estimate_memory(model.shape, RECIPE, Way("fused", rows, again))
    assert estimate.total_gib == pytest.approx(measured_gib, rel=0.04)


def test_fewer_rows_a_pass_and_computing_again_are_slower() -> None:
    plain = step_seconds(STARCODERBASE_1B, RECIPE, Way("fused", 16, 0.0))
    assert step_seconds(STARCODERBASE_1B, RECIPE, Way("fused", 1, 0.0)) > 1.2 * plain
    assert step_seconds(STARCODERBASE_1B, RECIPE, Way("fused", 16, 1.0)) > 1.2 * plain


@pytest.mark.parametrize(
    ("room_gib", "way"),
    [
        (140.0, Way("fused", 16, 0.0)),
        (24.0, Way("fused", 8, 0.0)),
        (3.0, Way("fused", 4, 1.0)),
        (None, Way("fused", 16, 1.0)),
    ],
)
def test_the_plan_takes_what_the_card_has_room_for(room_gib: float | None, way: Way) -> None:
    assert planned_way(RECIPE, STARCODERBASE_1B, room_gib) == way


def test_a_limit_counts_as_the_card_s_size() -> None:
    config = RECIPE.replace(memory_limit_gib=3.0)
    assert planned_way(config, STARCODERBASE_1B, 140.0) == Way("fused", 4, 1.0)


def test_settings_as_set_are_taken_as_they_stand() -> None:
    config = RECIPE.replace(memory_use="as_set", micro_batch_rows=4)
    assert planned_way(config, STARCODERBASE_1B, 140.0) == Way("fused", 4, 1.0)
