from __future__ import annotations

from typing import Any

import pytest

from codetune_ui.core.document import DropReason
from codetune_ui.ui import data_view

FILES: list[dict[str, Any]] = [
    {"path": "src/a.py", "language": "Python", "reason": None, "tokens": 1210, "split": "train"},
    {"path": "src/b.py", "language": "Python", "reason": None, "tokens": 90, "split": "val"},
    {"path": "c.py", "language": "Python", "reason": "exact duplicate", "detail": "of src/a.py"},
    {"path": "<b>.md", "language": "", "reason": "not code", "detail": ""},
]
REPORT: dict[str, Any] = {
    "found": 4,
    "kept": 2,
    "dropped": {"exact duplicate": 1, "not code": 1},
    "files": FILES,
    "languages": {"Python": 4030},
    "notes": {"line ends were CRLF": 2},
    "characters": 4030,
    "tokens": 1300,
    "chars_per_token": 3.1,
    "train": 1,
    "held_out": 1,
    "train_tokens": 1210,
    "held_out_tokens": 90,
}


def test_the_counts_of_a_scan_add_up_in_one_line() -> None:
    line = data_view.counts(REPORT)
    assert line == "4 files found = 2 kept + 2 dropped · 1,300 tokens kept"


def test_a_result_names_both_sides_and_the_meaning_of_the_ratio() -> None:
    html = data_view.result(REPORT)
    assert "<b>1 files</b>" not in html
    assert "1,210 tokens" in html
    assert "<b>3.10</b>" in html
    assert "2.0 to 3.5 is healthy for code" in html
    assert "line ends were CRLF" in html


def test_the_sixth_language_and_all_after_it_are_other() -> None:
    html = data_view.languages({f"L{index}": 10 - index for index in range(7)})
    assert html.count('style="flex:') == 6
    assert "other 18 %" in html


def test_no_language_is_no_bar() -> None:
    assert data_view.languages({}) == ""


def test_a_share_that_would_round_to_nothing_is_said_as_less() -> None:
    assert "Go &lt; 1 %" in data_view.languages({"Python": 9999, "Go": 1})


def test_each_reason_filters_the_table() -> None:
    assert 'data-query="not code"' in data_view.reasons(REPORT["dropped"])
    assert data_view.reasons({}) == ""


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("", ["src/a.py", "src/b.py", "c.py", "<b>.md"]),
        ("SRC/b python", ["src/b.py"]),
        ("held out", ["src/b.py"]),
        ("duplicate", ["c.py"]),
        ("nothing at all", []),
    ],
)
def test_a_query_looks_at_path_language_split_and_reason(query: str, paths: list[str]) -> None:
    assert [line["path"] for line in data_view.matching(FILES, query)] == paths


def test_rows_are_escaped_and_numbers_have_separators() -> None:
    html = data_view.rows(FILES)
    assert html.count("<tr") == 4
    assert "&lt;b&gt;.md" in html
    assert "<td>1,210</td>" in html
    assert "exact duplicate of src/a.py" in html
    assert ">held out</td>" in html


def test_a_file_that_is_only_read_so_far_is_kept() -> None:
    line = {"path": "a.py", "language": "Python", "reason": None}
    assert ">kept</td>" in data_view.rows([line])


def test_the_two_most_common_reasons_come_with_a_cure() -> None:
    html = data_view.nothing_kept({"dropped": {"not code": 9, "ignored by .gitignore": 3, "x": 1}})
    assert html.count("<li>") == 2
    assert "A .gitignore file leaves them out" in html


def test_every_cure_belongs_to_a_reason() -> None:
    assert set(data_view.SETTING_OF) <= set(DropReason)


@pytest.mark.parametrize(
    ("sort", "paths"),
    [
        ("path", ["<b>.md", "c.py", "src/a.py", "src/b.py"]),
        ("-path", ["src/b.py", "src/a.py", "c.py", "<b>.md"]),
        ("tokens", ["src/b.py", "src/a.py", "c.py", "<b>.md"]),
        ("-tokens", ["src/a.py", "src/b.py", "c.py", "<b>.md"]),
        ("language", ["<b>.md", "c.py", "src/a.py", "src/b.py"]),
        ("side", ["c.py", "src/b.py", "<b>.md", "src/a.py"]),
        ("nonsense", ["src/a.py", "src/b.py", "c.py", "<b>.md"]),
    ],
)
def test_files_are_sorted_by_any_column_and_back(sort: str, paths: list[str]) -> None:
    assert [line["path"] for line in data_view.ordered(FILES, sort)] == paths


def test_a_row_says_how_many_secrets_its_file_had() -> None:
    assert "2 secrets</i>" in data_view.rows([{**FILES[0], "secrets": 2}])


def test_a_file_that_no_choice_can_bring_back_is_marked() -> None:
    assert "data-stands" in data_view.rows([{**FILES[3], "reason": "binary"}])
    assert "data-stands" not in data_view.rows([FILES[3]])


def test_the_leak_is_a_figure_with_its_meaning() -> None:
    html = data_view.result({**REPORT, "leak": {"share": 0.034}})
    assert "<b>3.4 %</b>" in html
    assert 'class="odd"' in html
