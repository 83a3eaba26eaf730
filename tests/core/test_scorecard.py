from __future__ import annotations

from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.presets import preset
from codetune_ui.core.scorecard import (
    Budget,
    Score,
    best_of,
    budget,
    scores_of,
    stopped_early,
    why_this_adapter,
    without_gain,
)


def card(step: int, nll: float | None) -> dict[str, Any]:
    return {"kind": "scorecard", "step": step, "middle_nll_per_char": nll}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Budget(48, 2048)),
        ({"scorecard_holes": 0}, Budget(0, 0)),
        ({"scorecard_holes": 200}, Budget(200, 1638)),
        ({"eval_every": 10, "max_seq_len": 512, "global_batch_rows": 4}, Budget(16, 128)),
        ({"eval_every": 1, "max_seq_len": 512, "global_batch_rows": 4}, Budget(8, 128)),
        ({"max_seq_len": 64}, Budget(48, 64)),
    ],
)
def test_a_look_costs_a_tenth_of_the_tokens_between_two_evaluations(
    changes: dict[str, Any], expected: Budget
) -> None:
    assert budget(Config.from_dict(changes)) == expected


def test_the_guide_trains_to_its_end_and_keeps_the_last_adapter() -> None:
    config = preset("guide")
    assert (config.keep_best, config.early_stop) == ("last", 0)
    assert (preset("recommended").keep_best, preset("recommended").early_stop) == ("best", 5)


def test_scores_after_the_step_resumed_from_are_forgotten() -> None:
    events = [card(0, 0.9), card(40, 0.7), card(80, 0.6), {"kind": "resume", "step": 40}]
    assert scores_of(events) == [Score(0.9, 0), Score(0.7, 40)]
    assert scores_of([*events, card(80, 0.65)])[-1] == Score(0.65, 80)


def test_a_score_that_is_no_number_and_other_events_are_passed_over() -> None:
    assert scores_of([{"kind": "eval", "step": 4, "val_loss": 1.0}, card(4, None)]) == []


def test_the_best_is_the_lowest_and_never_the_base() -> None:
    assert best_of([Score(0.4, 0), Score(0.7, 40), Score(0.6, 80), Score(0.6, 120)]) == Score(
        0.6, 80
    )
    assert best_of([Score(0.4, 0)]) is None


def test_evaluations_without_a_gain_are_counted_from_the_best() -> None:
    assert without_gain([Score(0.9, 0), Score(0.6, 40), Score(0.7, 80), Score(0.6, 120)]) == 2
    assert without_gain([Score(0.9, 0)]) == 0


SCORES = [Score(0.9, 0), Score(0.6, 40), Score(0.7, 80)]


def test_an_early_stop_says_where_and_why() -> None:
    assert stopped_early(80, 160, SCORES) == (
        "Stopped early at step 80 of 160: the 1 evaluation since step 40 found held-out code "
        "no likelier."
    )


@pytest.mark.parametrize(
    ("kept", "wanted", "words"),
    [
        (
            40,
            "best",
            "The adapter is that of step 40, the best measured (0.600 nats per character of "
            "held-out code; 0.700 at the last step, 80; 0.900 without an adapter).",
        ),
        (
            80,
            "last",
            "The adapter is that of the last step, 80, as set (0.700 nats per character of "
            "held-out code; 0.600 at step 40; 0.900 without an adapter).",
        ),
    ],
)
def test_the_adapter_says_which_step_it_is_from(kept: int, wanted: str, words: str) -> None:
    assert why_this_adapter(kept, 80, SCORES, wanted=wanted) == words


def test_an_adapter_that_is_worse_than_the_base_says_so() -> None:
    scores = [Score(0.5, 0), Score(0.6, 40)]
    assert why_this_adapter(40, 40, scores, wanted="best") == (
        "The adapter is that of step 40, the best measured (0.600 nats per character of held-out "
        "code; 0.500 without an adapter). It does not help: the base alone does better."
    )


def test_without_a_measurement_the_adapter_is_the_last() -> None:
    assert why_this_adapter(7, 7, [Score(0.9, 0)], wanted="best") == (
        "The adapter is that of the last step, 7: no other was measured."
    )
