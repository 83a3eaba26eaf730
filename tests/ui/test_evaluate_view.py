from __future__ import annotations

import re
from typing import Any

import pytest

from codetune_ui.core.verdict import Comparison
from codetune_ui.ui.evaluate_view import (
    BASE_AND_ADAPTER,
    FEW,
    MEANING,
    bars,
    plainly,
    remarks,
    result,
    scores,
    track,
    verdict,
)
from tests.ui.evaluations import EVIL, found


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def judged(word: str, change: tuple[float, float, float], wins: int, losses: int) -> dict[str, Any]:
    difference = {**found()["difference"], "exact_match": list(change)}
    return found() | {
        "verdict": word,
        "difference": difference,
        "wins": wins,
        "losses": losses,
        "ties": 200 - wins - losses,
        "holes": 200,
    }


@pytest.mark.parametrize(
    ("word", "change", "sentence", "tone"),
    [
        (
            "better",
            (0.1, 0.05, 0.15),
            "The adapter is better than the base on this code.",
            "better",
        ),
        ("worse", (-0.1, -0.2, -0.05), "The adapter is worse than the base on this code.", "worse"),
        (
            "no difference",
            (0.01, -0.02, 0.04),
            "No difference between the adapter and the base could be shown.",
            "same",
        ),
    ],
)
def test_the_verdict_is_the_first_thing_said_and_its_meaning_follows(
    word: str, change: tuple[float, float, float], sentence: str, tone: str
) -> None:
    html = verdict(judged(word, change, 20, 4), BASE_AND_ADAPTER)
    assert words(html).startswith(sentence)
    assert MEANING[word] in words(html)
    assert html.startswith(f'<section class="ev-verdict {tone}">')


def test_holes_won_tied_and_lost_stand_beside_the_interval() -> None:
    said = words(verdict(judged("better", (0.08, 0.05, 0.11), 20, 4), BASE_AND_ADAPTER))
    assert "200 holes 20 won · 176 tied · 4 lost" in said
    assert "+8.0 points 95 % interval +5.0 to +11.0" in said


def test_an_interval_beside_zero_with_too_few_wins_is_no_gain_and_has_no_colour() -> None:
    few = judged("no difference", (0.045, 0.005, 0.09), 14, 5)
    assert FEW in words(verdict(few, BASE_AND_ADAPTER))
    row = scores(few, BASE_AND_ADAPTER).split("<tr>")[2]
    assert "Exact match" in row
    assert "same" in row
    assert "No clear difference: Exact match" in words(plainly(few)).replace(" :", ":")


def test_bars_have_a_row_for_all_holes_and_each_kind_and_language() -> None:
    part = {key: found()[key] for key in Comparison.__dataclass_fields__}
    several = found() | {
        "by_kind": {"rest": part, "own": part},
        "by_language": {"Go": part, "C++": part},
    }
    labels = re.findall(r'class="ev-l">(.*?) <small>(\d+)', bars(several, BASE_AND_ADAPTER))
    assert labels == [
        ("All holes", "4"),
        ("Rest of a line", "4"),
        ("Your own holes", "4"),
        ("Go", "4"),
        ("C++", "4"),
    ]


def test_one_language_has_no_row_of_its_own() -> None:
    assert "Python" not in bars(found(), BASE_AND_ADAPTER)


def test_an_interval_is_drawn_around_zero_and_never_beyond_its_scale() -> None:
    html = track("better", [0.5, 0.25, 9.0], 1.0)
    assert "left:62.5%;width:37.5%" in html
    assert '<b style="left:75.0%">' in html
    assert track("same", None, 1.0) == '<span class="ev-track"></span>'


def test_what_was_left_out_is_said() -> None:
    own = [{"path": f"p{n}.py", "line": n} for n in range(7)]
    said = remarks(found(left_out_in_train=1, own_in_train=own, training_code_read=False))
    assert said == [
        "1 hole left out: the training code has the same lines.",
        "7 holes of your own left out, being in the training code: p0.py:0, p1.py:1, p2.py:2, "
        "p3.py:3, p4.py:4 and 2 more.",
        "The training code was not there any more to be compared with.",
    ]


def test_the_price_stands_beside_the_gain_where_it_was_measured() -> None:
    assert "The price On general code it is 1.2 % less sure." in words(
        result(found(forgetting={"sentence": "On general code it is 1.2 % less sure."}), "a/1")
    )
    assert "The price" not in result(found(forgetting=None), "a/1")


def test_an_evaluation_of_an_older_version_is_shown_too() -> None:
    old = found()
    for name in ("holes_id", "own_holes", "own_in_train"):
        del old[name]
    assert "4 holes" in words(result(old, "calm-otter/1"))


def test_names_are_escaped() -> None:
    html = result(found(run=EVIL, sentence=EVIL), "calm-otter/1")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_report_can_be_downloaded_as_page_and_as_json() -> None:
    links = re.findall(r'href="([^"]*)" download', result(found(), "calm-otter/20261123-1"))
    assert links == [
        "/ct-api/evaluations/calm-otter/20261123-1/report.html",
        "/ct-api/evaluations/calm-otter/20261123-1/report.json",
    ]
