from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.fit import length_histogram, ratio_meaning, verdict


@pytest.mark.parametrize(
    ("ratio", "start", "kind"),
    [
        (1.9, "below 2.0", "odd"),
        (2.0, "2.0 to 3.5", "ok"),
        (3.5, "2.0 to 3.5", "ok"),
        (4.2, "above 3.5", "odd"),
    ],
)
def test_a_ratio_has_a_meaning_below_within_and_above(ratio: float, start: str, kind: str) -> None:
    meaning, found = ratio_meaning(ratio)
    assert meaning.startswith(start)
    assert found == kind


def test_nothing_counted_has_no_verdict() -> None:
    assert verdict(None) == ""


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.9, "1.9 characters per token: broken into crumbs"),
        (2.9, "2.9 characters per token: healthy"),
        (4.0, "4.0 characters per token: long words or much repetition"),
    ],
)
def test_a_fit_is_said_in_a_few_words(ratio: float, words: str) -> None:
    assert verdict(ratio) == words


def test_a_file_of_just_one_row_fits_it() -> None:
    bars = length_histogram([2048, 2049], 2048)
    assert [bar["files"] for bar in bars] == [0, 0, 1, 1, 0, 0]
    assert [bar["up_to"] for bar in bars] == [512, 1024, 2048, 4096, 8192, None]


@given(st.lists(st.integers(0, 100_000)), st.integers(64, 8192))
def test_every_file_is_in_one_bar(tokens: list[int], row: int) -> None:
    assert sum(bar["files"] for bar in length_histogram(tokens, row)) == len(tokens)
