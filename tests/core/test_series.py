from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.series import eta_seconds, smooth, thin


def test_smoothing_starts_at_the_first_value() -> None:
    assert smooth([5.0, 5.0, 5.0], 0.9) == pytest.approx([5.0, 5.0, 5.0])


def test_smoothing_passes_over_what_is_no_number() -> None:
    assert smooth([4.0, None, float("nan"), 2.0], 0.5) == pytest.approx(
        [4.0, None, None, 2.6666667]
    )


def test_no_smoothing_gives_the_values_back() -> None:
    assert smooth([3.0, 1.0, 2.0], 0.0) == [3.0, 1.0, 2.0]


def test_thin_keeps_the_spike_and_the_ends() -> None:
    losses = [1.0] * 10_000
    losses[4321] = 9.0
    losses[7654] = -9.0
    xs, ys = thin(range(10_000), losses)
    assert len(xs) <= 600
    assert (xs[0], xs[-1]) == (0, 9999)
    assert {9.0, -9.0} <= set(ys)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=300), st.integers(4, 50))
def test_thin_keeps_order_and_extremes(ys: list[float], most: int) -> None:
    xs, kept = thin(range(len(ys)), ys, most)
    assert len(xs) <= max(most, 4)
    assert list(xs) == sorted(xs)
    assert (max(kept), min(kept)) == (max(ys), min(ys))


def test_time_left_falls_as_steps_go_by_at_an_even_pace() -> None:
    left = [eta_seconds(range(1, n + 1), range(0, 2 * n, 2), 50) for n in range(2, 51)]
    assert left == [2.0 * (50 - n) for n in range(2, 51)]


def test_one_slow_step_does_not_move_the_time_left() -> None:
    even = [float(second) for second in range(20)]
    slow = [*even[:10], *(second + 60.0 for second in even[10:])]
    steps = range(1, 21)
    assert eta_seconds(steps, slow, 100) == eta_seconds(steps, even, 100) == 80.0


def test_there_is_no_time_left_before_a_pace_and_none_after_the_end() -> None:
    assert eta_seconds([], [], 10) is None
    assert eta_seconds([1], [0.0], 10) is None
    assert eta_seconds([1, 1], [0.0, 5.0], 10) is None
    assert eta_seconds([10], [0.0], 10) == 0.0
