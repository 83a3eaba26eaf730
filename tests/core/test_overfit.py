from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from codetune_ui.core.overfit import noise, turned

FALLING = [(step, 2.0 - step / 1000) for step in range(10, 4001, 10)]
RISING = [(step, 1.0 + step / 1000) for step in range(10, 4001, 10)]


def every(steps: int, values: Sequence[float]) -> list[tuple[int, float]]:
    return [(place * steps, value) for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "since"),
    [
        ([1.0, 0.8, 0.7, 0.74, 0.78, 0.83], 200),
        # the guide's settings as somebody ran them again: best at the first look, worse to the end
        ([0.9191, 0.9318, 0.9501, 0.9713, 0.9998, 1.0213, 1.0402, 1.0584], 0),
        ([0.9, 0.62, 0.55, 0.53, 0.525, 0.53, 0.545, 0.56, 0.575, 0.59], 400),
    ],
)
def test_a_curve_that_falls_and_then_rises_has_turned_at_its_lowest(
    values: list[float], since: int
) -> None:
    shifted = [(step + 100, value) for step, value in every(100, values)]
    assert turned(shifted, FALLING) == since + 100


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0.9],
        [0.9, 0.8, 0.81, 0.83],  # too few to say
        [0.9, 0.7, 0.6, 0.58, 0.57, 0.565],  # falls
        [0.9, 0.7, 0.6, 0.62, 0.63],  # two after the lowest
        [0.9, 0.7, 0.6, 0.602, 0.603, 0.604, 0.605],  # by less than a hundredth
        [0.9, 0.7, 0.6, 0.66, 0.64, 0.63, 0.62],  # comes down again
        [0.60, 0.63, 0.58, 0.64, 0.59, 0.57, 0.61, 0.60, 0.63, 0.61],  # noise around a level
        [0.9, 0.75, 0.66, 0.70, 0.61, 0.65, 0.58, 0.62, 0.60],  # noise on a falling curve
        [0.9, 0.8, 0.7, 1.4, 0.68, 0.66],  # one spike
    ],
)
def test_other_curves_have_not_turned(values: list[float]) -> None:
    assert turned(every(100, values), FALLING) is None


def test_it_is_no_overfitting_while_the_training_loss_rises_too() -> None:
    assert turned(every(100, [1.0, 0.8, 0.7, 0.74, 0.78, 0.83]), RISING) is None


def test_without_a_training_loss_nothing_is_said() -> None:
    assert turned(every(100, [1.0, 0.8, 0.7, 0.74, 0.78, 0.83]), []) is None


def test_noise_around_a_level_is_hardly_ever_called_a_turn() -> None:
    rng = random.Random(7)
    called = sum(
        turned(every(100, [rng.gauss(1.0, 0.02) for _ in range(count)]), FALLING) is not None
        for count in (6, 10, 20, 40)
        for _ in range(250)
    )
    assert called <= 20


def test_noise_on_a_levelling_curve_is_hardly_ever_called_a_turn() -> None:
    rng = random.Random(8)
    called = 0
    for _ in range(500):
        values = [0.7 + 0.3 * 0.7**place + rng.gauss(0.0, 0.02) for place in range(20)]
        called += turned(every(100, values), FALLING) is not None
    assert called <= 10


def test_noise_is_the_deviation_from_the_curves_own_course() -> None:
    rng = random.Random(9)
    drawn = [place / 100 + rng.gauss(0.0, 0.05) for place in range(4000)]
    assert noise(drawn) == pytest.approx(0.05, rel=0.05)
    assert noise([1.0, 0.5, 0.25, 0.125]) == pytest.approx(0.200, abs=0.001)
    assert noise([1.0, 2.0]) == 0.0
