from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.config import SETTINGS, Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.presets import PRESETS, parse_assignments, preset

GUIDE = {
    "base_model": "bigcode/starcoderbase-1b",
    "source": "hub:smangrul/hf-stack-v1",
    "data_column": "content",
    "data_dir": "data",
    "max_seq_len": 2048,
    "max_steps": 2000,
    "global_batch_rows": 16,
    "learning_rate": 5e-4,
    "lr_scheduler": "cosine",
    "weight_decay": 0.01,
    "warmup_steps": 30,
    "eval_every": 100,
    "save_every": 100,
    "log_every": 25,
    "compute_dtype": "bfloat16",
    "fim_rate": 0.5,
    "spm_rate": 0.5,
    "lora_rank": 8,
    "lora_alpha": 32,
    "lora_dropout": 0.0,
    "quant": "nf4",
    "double_quant": True,
    "gradient_checkpointing": True,
    "seed": 0,
}


@pytest.mark.parametrize(("name", "value"), GUIDE.items())
def test_the_guide_preset_is_the_guide(name: str, value: object) -> None:
    assert getattr(preset("guide"), name) == value


def test_the_guide_accumulates_nothing() -> None:
    assert preset("guide").grad_accum_steps == 1


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name: str) -> None:
    config = preset(name)
    assert Config.from_dict(config.to_dict()) == config


def test_every_setting_has_words() -> None:
    assert all(about.label and about.help.endswith(".") for about in SETTINGS.values())


def test_every_number_has_limits() -> None:
    numbers = [about for about in SETTINGS.values() if about.kind in (int, float)]
    assert all(about.low is not None and about.high is not None for about in numbers)


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ("max_steps=0", "Steps is 0, outside 1 to 1e+07. Try 500."),
        ("max_steps=2.5", "Steps must be a whole number, not '2.5'. Try 500."),
        ("learning_rate=nan", "Learning rate is nan, outside 0 to 1. Try 0.0002."),
        ("fim_rate=1.5", "FIM rate is 1.5, outside 0 to 1. Try 0.5."),
        ("double_quant=maybe", "Double quantisation must be yes or no, not 'maybe'. Try True."),
        ("quant=int3", "Quantisation cannot be 'int3'. Choose one of: nf4, none."),
        ("steps=1", "There is no setting 'steps'."),
        ("max_steps", "'max_steps' is not a setting. Write --set name=value."),
    ],
)
def test_a_bad_setting_is_one_sentence_and_a_way_out(pair: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**parse_assignments([pair]))
    assert str(caught.value).startswith(sentence)


def test_rows_per_step_are_a_multiple_of_rows_per_pass() -> None:
    with pytest.raises(ConfigError, match="16 rows per step are not a multiple of 3") as caught:
        Config(global_batch_rows=16, micro_batch_rows=3)
    assert caught.value.field == "global_batch_rows"
    assert caught.value.hint == "Try 15 rows per step."


@pytest.mark.parametrize(
    ("rows", "processes", "words"),
    [
        (
            16,
            3,
            "16 rows per step cannot be divided among 3 processes. Set processes to 2, or rows per "
            "step to 18.",
        ),
        (
            1,
            2,
            "1 row per step cannot be divided among 2 processes. Set processes to 1, or rows per "
            "step to 2.",
        ),
    ],
)
def test_processes_divide_the_rows_of_a_step(rows: int, processes: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(global_batch_rows=rows, micro_batch_rows=1, processes=processes)
    assert (str(caught.value), caught.value.field) == (words, "processes")


def test_a_share_keeps_the_rows_per_pass_where_they_fit() -> None:
    config = Config(global_batch_rows=24, micro_batch_rows=4, processes=3, cards="0,1,2")
    shares = [config.share(processes) for processes in (1, 2, 3, 4, 8, 24)]
    assert [share.global_batch_rows for share in shares] == [24, 12, 8, 6, 3, 1]
    assert [share.micro_batch_rows for share in shares] == [4, 4, 4, 3, 3, 1]


def test_an_unknown_setting_in_a_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="There is no setting 'colour'"):
        Config.from_dict({"colour": "amber"})


def test_a_file_of_a_newer_app_is_refused() -> None:
    with pytest.raises(ConfigError, match="newer CodeTune UI"):
        Config.from_dict({"schema": 99})


def test_a_control_character_in_a_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="control character"):
        Config(source="a\nb")


def test_named_targets_become_a_list_without_doubles() -> None:
    assert Config(lora_targets="c_proj, c_attn,c_proj").lora_target_modules == ["c_attn", "c_proj"]
    assert Config().lora_target_modules == "all-linear"


@given(st.dictionaries(st.sampled_from(sorted(SETTINGS)), st.text() | st.integers() | st.floats()))
def test_wild_values_are_a_config_or_a_config_error(values: dict[str, object]) -> None:
    try:
        config = Config.from_dict(values)
    except ConfigError:
        return
    assert Config.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("cards", "processes", "words"),
    [
        ("x", 1, "'x' is no number of a card. Write their numbers in nvidia-smi with commas"),
        ("0,", 2, "'' is no number of a card."),
        ("-1", 1, "'-1' is no number of a card."),
        ("1,1", 2, "Card 1 is named twice. Name each one once."),
        ("0,1", 1, "2 cards are named for 1 process. Set processes to 2, or name as many"),
        ("3", 2, "1 card is named for 2 processes. Set processes to 1, or name as many"),
        ("0,1,2", 3, "16 rows per step cannot be divided among 3 cards. Choose 2, or set rows per"),
    ],
)
def test_cards_that_cannot_be_are_refused(cards: str, processes: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(cards=cards, processes=processes)
    assert str(caught.value).startswith(words)


def test_cards_that_are_typed_say_how_many_processes() -> None:
    assert parse_assignments(["cards=1,3"])["processes"] == 2
    assert parse_assignments(["processes=4", "cards=1,3"])["processes"] == 4


@pytest.mark.parametrize(
    ("processes", "cards", "found"),
    [
        (1, None, (1, "2")),
        (4, None, (4, "")),  # there are not so many named
        (None, None, (2, "2,3")),
        (None, "0", (1, "0")),
        (None, "0,1,4,5", (4, "0,1,4,5")),
        (None, "", (1, "")),
    ],
)
def test_a_run_goes_on_with_other_cards(
    processes: int | None, cards: str | None, found: tuple[int, str]
) -> None:
    config = Config(processes=2, cards="2,3").divide_among(processes, cards)
    assert (config.processes, config.cards) == found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"processes": 1}, "One process has nobody to split the base with. Set processes to the"),
        ({"engine": "fused"}, "The fused engine needs the whole base on each card. Set engine to"),
    ],
)
def test_a_base_that_cannot_be_split_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**{"processes": 2, "split_base": "yes", **changes})
    assert str(caught.value).startswith(words)
    assert caught.value.field == "split_base"


def test_one_process_that_goes_on_has_the_base_whole() -> None:
    split = Config(processes=2, split_base="yes")
    assert split.share(2).split_base == "auto"
    assert split.divide_among(1, None).split_base == "auto"
    assert split.divide_among(4, None).split_base == "yes"
    assert split.divide_among(1, None).divide_among(2, None, "yes") == split
