from __future__ import annotations

from typing import Any

from codetune_ui.ui.data_panels import by_language, leaks, lengths, offers, panels, secrets, steps

FINDING = {"path": "src/<a>.py", "line": 12, "rule": "aws-key", "masked": "AKIA… (20)"}


def test_a_report_of_an_older_app_has_no_panels() -> None:
    assert panels({"secrets": []}) == ""


def test_findings_show_place_rule_and_mask_and_are_escaped() -> None:
    html = secrets([FINDING, FINDING], 2)
    assert "Secrets: 2 found in 1 file, redacted" in html
    assert "src/&lt;a&gt;.py:12" in html
    assert "AKIA… (20)" in html
    assert "<a>" not in html


def test_secrets_that_stay_are_counted_apart() -> None:
    assert "Secrets: 2 found in 1 file, 0 redacted" in secrets([FINDING, FINDING], 0)


def test_only_the_first_two_hundred_findings_are_listed() -> None:
    html = secrets([FINDING] * 203, 203)
    assert html.count("aws-key") == 200
    assert "and 3 more" in html


def test_each_language_has_its_own_fit() -> None:
    line = {"files": 3, "characters": 1000, "tokens": 400, "verdict": "2.5: healthy"}
    html = by_language({"C++": line, "Go": line})
    assert "2 languages" in html
    assert html.count("2.5: healthy") == 2


def test_lengths_are_said_against_the_row() -> None:
    bars: list[dict[str, Any]] = [
        {"rows": 0.5, "up_to": 512, "files": 3},
        {"rows": 1, "up_to": 1024, "files": 0},
        {"rows": None, "up_to": None, "files": 1},
    ]
    html = lengths(bars, 1024)
    assert "75 % of the files fit into a row of 1,024 tokens" in html
    assert "more than 1,024 tokens" in html
    assert html.count("width:0%") == 1


def test_steps_end_with_what_is_left() -> None:
    html = steps([{"step": "found", "files": 9}, {"step": "content", "files": 7}])
    assert "<td>found</td><td>9</td>" in html
    assert "<td>after content</td><td>7</td>" in html


def test_a_leak_names_both_files() -> None:
    html = leaks([{"held_out": "<v>.py", "train": "t.py", "lines": 12}])
    assert "<td>&lt;v&gt;.py</td><td>t.py</td><td>12 lines</td>" in html


def test_what_a_dataset_offers_is_listed_as_far_as_it_is_known() -> None:
    html = offers({"configs": [], "splits": ["train", "test"], "columns": ["content"]})
    assert "Configurations" not in html
    assert "train, test" in html
    assert offers({}) == ""
