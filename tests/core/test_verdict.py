from __future__ import annotations

import numpy as np
import pytest

from codetune_ui.core.scores import METRICS, Scores
from codetune_ui.core.verdict import Comparison, compare, interval, sentence, sign_test


def scores(exact: float, nll: float | None = 0.5) -> Scores:
    found: Scores = dict.fromkeys(METRICS, exact)
    return found | {"middle_nll_per_char": nll}


def side(*exact: int, nll: float | None = 0.5) -> list[Scores]:
    return [scores(value, nll) for value in exact]


def test_the_same_answers_are_no_difference() -> None:
    found = compare(side(*[1, 0] * 50), side(*[1, 0] * 50))
    assert found.verdict == "no difference"
    assert found.difference["exact_match"] == (0.0, 0.0, 0.0)
    assert (found.wins, found.ties, found.losses) == (0, 100, 0)
    assert sentence(found) == (
        "The adapter shows no difference from the base on 100 holes of held-out code: 50.0 % exact "
        "against 50.0 % (95 % interval of the difference +0.0 to +0.0 points), and the true code "
        "is as likely as before."
    )


def test_everything_won_is_better() -> None:
    found = compare(side(*[0] * 100), side(*[1] * 100, nll=0.25))
    assert found.verdict == "better"
    assert (found.wins, found.ties, found.losses) == (100, 0, 0)
    assert sentence(found) == (
        "The adapter is better than the base on 100 holes of held-out code: 100.0 % exact "
        "against 0.0 % (95 % interval of the difference +100.0 to +100.0 points), and the true "
        "code is more likely."
    )


def test_swapped_sides_turn_better_into_worse() -> None:
    left, right = side(*[1] * 40, *[0] * 60), side(*[1] * 60, *[0] * 40)
    one, other = compare(left, right), compare(right, left)
    assert (one.verdict, other.verdict) == ("better", "worse")
    assert (one.wins, one.losses) == (other.losses, other.wins) == (20, 0)
    a, b = one.difference["exact_match"], other.difference["exact_match"]
    assert a is not None
    assert b is not None
    assert a[0] == -b[0] == 0.2
    assert a[1:] == pytest.approx([-b[2], -b[1]], abs=0.02)


def test_three_holes_won_are_too_few_for_a_word() -> None:
    found = compare(side(0, 0, 0), side(1, 1, 1))
    assert found.difference["exact_match"] == (1.0, 1.0, 1.0)
    assert found.verdict == "no difference"
    assert "; 3 holes that only one of them has right are too few to be sure)" in sentence(found)
    assert compare(side(*[0] * 6), side(*[1] * 6)).verdict == "better"


def test_few_holes_give_a_wider_interval() -> None:
    few = interval(np.array([1.0, 0, 0, -1, 0, 1, 0, 0, 1, 0]))
    many = interval(np.array([1.0, 0, 0, -1, 0, 1, 0, 0, 1, 0] * 40))
    assert few is not None
    assert many is not None
    assert few[0] == many[0] == pytest.approx(0.2)
    assert few[2] - few[1] > 4 * (many[2] - many[1])
    assert few[1] < 0 < many[1]


def test_the_interval_is_that_of_the_normal_where_there_are_many() -> None:
    values = np.random.default_rng(1).normal(0.1, 1.0, 400)
    found = interval(values)
    assert found is not None
    half = 1.96 * values.std() / 20
    assert found[1:] == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_the_interval_holds_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for trial in range(400):
        found = interval(rng.choice([1.0, 0, 0, 0, -1], 80), seed=trial, resamples=1000)
        assert found is not None
        held += found[1] <= 0 <= found[2]
    assert 0.91 < held / 400 < 0.98


def test_the_interval_holds_the_truth_where_holes_of_one_file_are_alike() -> None:
    """Ten files of unequal size; what is won depends on the file as much as on the hole."""
    rng = np.random.default_rng(3)
    held = {"files": 0, "holes": 0}
    for trial in range(300):
        sizes = rng.integers(5, 25, 10)
        names = np.repeat(np.arange(10), sizes)
        chances = rng.uniform(0, 1, 10)[names]  # to win a hole; to lose one is 0.5
        dice = rng.random(len(names))
        values = (dice < chances).astype(float) - (dice > 0.5)
        files = [str(name) for name in names]
        for way, known in (("files", files), ("holes", None)):
            found = interval(values, known, seed=trial, resamples=600)
            assert found is not None
            held[way] += found[1] <= 0 <= found[2]
    assert 0.92 < held["files"] / 300 < 0.985
    assert held["holes"] / 300 < 0.85


def test_files_that_agree_leave_the_interval_as_the_holes_have_it() -> None:
    values = np.array([1.0, 0, 0, -1, 0, 1, 0, 0] * 6)
    alike = interval(values, [str(number // 8) for number in range(48)])
    assert alike == interval(values)


def test_fewer_than_five_files_are_not_drawn_anew_and_the_sentence_says_so() -> None:
    values = np.array([1.0] * 10 + [0.0] * 30)
    four = [str(number // 10) for number in range(40)]
    assert interval(values, four) == interval(values)
    five = [str(number // 8) for number in range(40)]
    wide, narrow = interval(values, five), interval(values)
    assert wide is not None
    assert narrow is not None
    assert wide[2] - wide[1] > 2 * (narrow[2] - narrow[1])
    found = compare(side(*[0] * 8), side(*[1] * 8), ["a.py"] * 4 + ["b.py"] * 4)
    assert sentence(found).startswith(
        "The adapter is better than the base on 8 holes of 2 held-out files: 100.0 % exact"
    )


def test_one_file_that_is_all_of_the_gain_is_no_proof() -> None:
    base, adapter = side(*[0] * 60), side(*[1] * 12, *[0] * 48)
    files = [str(number // 12) for number in range(60)]
    assert compare(base, adapter).verdict == "better"
    assert compare(base, adapter, files).verdict == "no difference"


def test_a_score_is_drawn_with_the_files_of_those_holes_that_have_it() -> None:
    base, adapter = side(*[0] * 12), side(*[1, 0] * 6)
    files = [str(number // 2) for number in range(12)]
    base[0]["parses"] = None
    found = compare(base, adapter, files)
    assert found.files == 6
    assert found.difference["parses"] is not None


def test_a_seed_gives_the_same_interval_and_another_one_nearly_so() -> None:
    values = np.array([1.0, 0, 0, 0, -1, 1, 1, 0] * 9)
    assert interval(values, seed=1) == interval(values, seed=1)
    assert interval(values, seed=1) == pytest.approx(interval(values, seed=2), abs=0.02)


def test_a_score_counts_only_where_both_sides_have_it() -> None:
    base, adapter = side(0, 0, 1), side(1, 0, 1)
    base[0]["parses"] = None
    adapter[2]["parses"] = None
    found = compare(base, adapter)
    assert (found.base["parses"], found.adapter["parses"]) == (0.0, 0.0)
    assert found.holes == 3


def test_a_score_that_nobody_has_is_none() -> None:
    found = compare(side(1, nll=None), side(1, nll=None))
    assert found.base["middle_nll_per_char"] is None
    assert found.difference["middle_nll_per_char"] is None
    assert "likely" not in sentence(found)


def test_without_holes_there_is_no_difference() -> None:
    found = compare([], [])
    assert (found.holes, found.verdict) == (0, "no difference")
    assert sentence(found) == "There was nothing to compare."


def test_likelihood_is_told_beside_a_word_it_does_not_change() -> None:
    found = compare(side(*[0, 1] * 10), side(*[0, 1] * 10, nll=0.25))
    assert found.verdict == "no difference"
    assert sentence(found).endswith("points), while the true code is more likely.")


@pytest.mark.parametrize(
    ("wins", "losses", "expected"), [(0, 0, 1.0), (1, 0, 1.0), (10, 2, 0.03857421875)]
)
def test_the_sign_test_is_exact(wins: int, losses: int, expected: float) -> None:
    assert sign_test(wins, losses) == sign_test(losses, wins) == expected


def test_the_plain_values_are_those_of_the_command_line() -> None:
    found = compare(side(0), side(1))
    assert isinstance(found, Comparison)
    plain = found.to_dict()
    assert plain["difference"]["exact_match"] == [1.0, 1.0, 1.0]  # type: ignore[index]
    assert plain["base"] == dict.fromkeys(METRICS, 0.0) | {"middle_nll_per_char": 0.5}
