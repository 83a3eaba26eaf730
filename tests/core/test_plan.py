from __future__ import annotations

from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.models import STARCODERBASE_1B, ModelShape
from codetune_ui.core.plan import base_parts, guess_tokens_per_s, make_plan
from codetune_ui.core.presets import preset
from tests.tiny import QWEN_32B

THIRTY = ModelShape.from_hf(QWEN_32B)


def test_the_plan_multiplies_rows_tokens_and_steps() -> None:
    config = Config(micro_batch_rows=4, global_batch_rows=16, max_seq_len=2048, max_steps=2000)
    plan = make_plan(config, train_tokens=32_768_000, shape=STARCODERBASE_1B, tokens_per_s=28_700)
    assert plan.tokens_per_step == 32_768
    assert plan.total_tokens == 65_536_000
    assert plan.epochs == 2.0
    assert plan.sentence() == (
        "4 rows × 4 passes = 16 rows = 32,768 tokens per step"
        " · 2,000 steps · about 38 min · 2.4 GiB"
    )


def test_what_is_not_known_is_left_out_of_the_sentence() -> None:
    plan = make_plan(Config(max_steps=1), train_tokens=None, shape=None, tokens_per_s=None)
    assert plan.epochs is None
    assert plan.sentence() == "4 rows × 4 passes = 16 rows = 32,768 tokens per step · 1 step"


def test_the_first_guess_of_the_speed_is_of_the_right_size() -> None:
    def guess(engine: str) -> float:
        return guess_tokens_per_s(
            STARCODERBASE_1B,
            preset("guide", engine=engine),
            card="NVIDIA H200",
            cores=16,
            room_gib=139.0,
        )

    # both measured with these settings
    assert guess("plain") == pytest.approx(47_188, rel=0.3)  # what it keeps, fits
    assert guess("fused") == pytest.approx(90_209, rel=0.1)


def test_without_a_card_the_cores_decide() -> None:
    two, eight = (
        guess_tokens_per_s(STARCODERBASE_1B, preset("guide"), card=None, cores=cores)
        for cores in (2, 8)
    )
    assert eight == pytest.approx(4 * two)


def test_one_row_is_a_row() -> None:
    config = Config(micro_batch_rows=1, global_batch_rows=1, max_seq_len=512, max_steps=2)
    plan = make_plan(config, train_tokens=None, shape=None, tokens_per_s=None)
    assert plan.sentence() == "1 row = 512 tokens per step · 2 steps"


def test_processes_divide_the_passes_of_a_step() -> None:
    config = Config(micro_batch_rows=4, global_batch_rows=32, max_steps=2, processes=4)
    plan = make_plan(config, train_tokens=None, shape=None, tokens_per_s=None)
    assert plan.sentence() == (
        "4 rows × 2 passes × 4 processes = 32 rows = 65,536 tokens per step · 2 steps"
    )


def test_each_card_adds_its_speed_and_holds_its_share() -> None:
    def plan(processes: int) -> tuple[float, float]:
        config = preset("guide", processes=processes, memory_use="as_set")
        speed = guess_tokens_per_s(
            STARCODERBASE_1B, config, card="NVIDIA H200", cores=16, room_gib=139.0
        )
        whole = make_plan(
            config, train_tokens=None, shape=STARCODERBASE_1B, tokens_per_s=None, room_gib=139.0
        )
        assert whole.memory is not None
        return speed, whole.memory.total_gib

    (one, most), (four, less) = plan(1), plan(4)
    assert 3 < four / one < 4
    assert less < most / 2


def parts(room_gib: float | None, **changes: Any) -> int:
    """Over how many of two cards the base of a 32B is split."""
    config = Config(**{"processes": 2, "memory_use": "fastest", **changes})
    return base_parts(config, THIRTY, room_gib)


def test_a_base_is_split_where_it_does_not_fit_whole() -> None:
    assert parts(40.0) == 1
    assert parts(22.0) == 2
    assert parts(40.0, memory_limit_gib=22.0) == 2
    assert parts(22.0, processes=1) == 1


def test_a_base_is_split_as_it_is_set() -> None:
    assert parts(40.0, split_base="yes") == 2
    assert parts(22.0, split_base="no") == 1
    assert parts(22.0, engine="fused") == 1  # which needs it whole


def test_without_a_card_a_base_is_split_only_when_asked() -> None:
    assert parts(None) == 1
    assert parts(None, split_base="yes") == 2


def test_the_plan_says_that_the_base_is_split() -> None:
    config = Config(processes=2, max_steps=1)
    plan = make_plan(config, train_tokens=None, shape=THIRTY, tokens_per_s=None, room_gib=22.0)
    assert plan.base_parts == 2
    assert " · base split over 2 cards · " in plan.sentence()
