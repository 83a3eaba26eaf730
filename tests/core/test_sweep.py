"""Several values of one setting as several checked runs."""

from __future__ import annotations

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.sweep import variants
from codetune_ui.runs.names import check_name, with_suffix


def test_each_value_is_one_run_and_nothing_else_changes() -> None:
    found = variants(Config(seed=3), "lora_rank", "4, 8,16")
    assert {name: config.lora_rank for name, config in found.items()} == {
        "lora_rank-4": 4,
        "lora_rank-8": 8,
        "lora_rank-16": 16,
    }
    assert {config.seed for config in found.values()} == {3}


def test_a_value_with_commas_is_set_apart_by_semicolons() -> None:
    found = variants(Config(), "lora_targets", "q_proj,v_proj; all-linear")
    assert [config.lora_targets for config in found.values()] == ["q_proj,v_proj", "all-linear"]


@pytest.mark.parametrize(
    ("setting", "values", "words"),
    [
        ("speed", "1,2", "There is no setting 'speed'"),
        ("seed", "1", "Seed is to be tried with 2 to 50 values, not 1"),
        ("seed", "", "not 0"),
        ("seed", "1,1", "Seed has one value twice"),
        ("seed", "1,x", "Seed must be a whole number"),
        ("lora_rank", "4,-4", "LoRA rank is -4"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_a_run_is_made(
    setting: str, values: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        variants(Config(), setting, values)


@pytest.mark.parametrize("values", ["a/b c; Ä", "x,y;x y", f"{'q' * 90};{'r' * 90}"])
def test_every_name_is_a_name_that_a_run_can_have(values: str) -> None:
    found = variants(Config(), "include", values)
    names = [with_suffix("b" * 64, suffix) for suffix in found]
    assert len(set(names)) == 2
    assert [check_name(name) for name in names] == names
