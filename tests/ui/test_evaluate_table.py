from __future__ import annotations

import pytest

from codetune_ui.ui.evaluate_table import (
    around,
    counts,
    filters,
    kinds,
    matching,
    ordered,
    rows,
    won,
)
from tests.ui.evaluations import FILE, found

ITEMS = found()["items"]  # won, lost, both, neither
ALL = [0, 1, 2, 3]


def test_every_hole_is_won_by_one_by_both_or_by_neither() -> None:
    assert [won(item) for item in ITEMS] == ["adapter", "base", "both", "neither"]
    assert counts(ITEMS) == {"": 4, "adapter": 1, "base": 1, "both": 1, "neither": 1}


@pytest.mark.parametrize(
    ("by", "kind", "expected"),
    [("", "", ALL), ("base", "", [1]), ("", "block", []), ("neither", "line", [3])],
)
def test_two_filters_choose_rows(by: str, kind: str, expected: list[int]) -> None:
    assert matching(ITEMS, by, kind) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("won", [0, 1, 2, 3]),
        ("-won", [3, 2, 1, 0]),
        ("where", [3, 1, 2, 0]),
        ("adapter", [2, 0, 3, 1]),
        ("", [0, 1, 2, 3]),
    ],
)
def test_rows_are_sorted_by_who_won_by_file_and_by_likeness(sort: str, expected: list[int]) -> None:
    assert ordered(ITEMS, ALL, sort) == expected


def test_a_row_shows_truth_base_and_adapter_with_what_differs_marked() -> None:
    row = rows(ITEMS, [0])
    assert 'data-hole="0" tabindex="0" role="button" aria-expanded="false"' in row
    assert "pond.py:2<small>src</small>" in row
    assert "<pre>x = 1</pre>" in row
    assert "<del>x = 1</del><mark>y = 2</mark>" in row
    assert '<pre class="adapter exact">x = 1</pre>' in row


def test_indentation_that_truth_and_answers_have_in_common_is_left_out() -> None:
    texts = {"truth": "    if a:\n        b", "base": "    a", "adapter": "      c"}
    item = ITEMS[3] | {side: ITEMS[3][side] | {"text": texts[side]} for side in ("base", "adapter")}
    row = rows([item | {"truth": texts["truth"]}], [0])
    assert "<pre>if a:\n    b</pre>" in row
    assert "        b" not in row


def test_an_empty_answer_is_said_to_be_nothing() -> None:
    assert '<span class="ev-nothing">nothing</span>' in rows(ITEMS, [1])


def test_the_chosen_filter_is_pressed() -> None:
    shown = filters(ITEMS, "base")
    assert 'data-won="base" aria-pressed="true">Base <b>1</b>' in shown
    assert shown.count('aria-pressed="true"') == 1


def test_only_kinds_that_are_there_can_be_chosen() -> None:
    assert kinds(ITEMS) == [("", "All kinds"), ("line", "Whole lines")]


def test_an_opened_hole_shows_the_file_as_it_stood_and_as_both_would_have_it() -> None:
    text = "\n".join(f"line_{n} = {n}" for n in range(30)) + "\n" + FILE.format("x = 1")
    item = ITEMS[0] | {"start": text.index("x = 1"), "line": 32}
    html = around(item, text)
    assert html.count("line_29") == 3
    assert "line_20" not in html
    assert html.count("counter-reset:l 22") == 3
    assert [html.count(f'class="{kind}"') for kind in ("mid", "base", "tuned")] == [1, 1, 1]


def test_without_the_file_the_lines_kept_with_it_are_shown() -> None:
    html = around(ITEMS[0], None)
    assert html.count("depth") == 3
    assert "counter-reset:l 0" in html


def test_code_and_answers_are_escaped() -> None:
    items = found(evil=True)["items"]
    for html in (rows(items, ALL), around(items[0], None), around(items[3], None)):
        assert "<script>" not in html
        assert "script" in html
