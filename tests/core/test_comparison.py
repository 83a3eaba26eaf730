from __future__ import annotations

from typing import Any

import pytest

from codetune_ui.core.comparison import comparison, summary, why_not
from codetune_ui.core.errors import RunError
from codetune_ui.core.evaluation import Filled
from tests.core.made import filled, made

TRUTHS = [f"pond_{n} = {n}" for n in range(12)]


def evaluation_of(run: str, right: int, *, only: int = 12, **changes: Any) -> dict[str, Any]:
    """Make an evaluation whose adapter has the first `right` of twelve holes exactly."""
    some: list[Filled] = []
    for place, truth in enumerate(TRUTHS[:only]):
        some.append(filled(truth, "", truth if place < right else "pond", path=f"p{place}.py"))
    return made(*some) | {"run": run, "id": f"of-{run}", "holes_id": "abc"} | changes


def test_the_second_is_measured_against_the_first_hole_by_hole() -> None:
    found = comparison(evaluation_of("calm-otter", 2), evaluation_of("brisk-finch", 10))
    assert (found["first"], found["second"]) == (
        "calm-otter/of-calm-otter",
        "brisk-finch/of-brisk-finch",
    )
    assert (found["holes"], found["wins"], found["ties"], found["losses"]) == (12, 8, 4, 0)
    assert found["first_scores"]["exact_match"] == 0.1667
    assert found["second_scores"]["exact_match"] == 0.8333
    assert found["verdict"] == "better"
    assert found["sentence"].startswith(
        "brisk-finch is better than calm-otter on the same 12 holes of held-out code: "
        "83.3 % exact against 16.7 %"
    )
    assert [item["won_by"] for item in found["items"]] == [""] * 2 + ["second"] * 8 + [""] * 2


def test_turned_round_it_is_worse() -> None:
    found = comparison(evaluation_of("calm-otter", 10), evaluation_of("brisk-finch", 2))
    assert (found["verdict"], found["wins"], found["losses"]) == ("worse", 0, 8)


def test_one_kind_and_one_language_are_the_whole() -> None:
    found = comparison(evaluation_of("a", 2), evaluation_of("b", 10))
    assert found["by_kind"] == {"line": found["by_language"]["Python"]}
    assert found["by_kind"]["line"]["wins"] == 8


def test_holes_that_only_one_of_them_has_are_left_out_and_counted() -> None:
    found = comparison(evaluation_of("a", 2), evaluation_of("b", 2, only=9))
    assert (found["holes"], found["left_out"]) == (9, 3)
    assert "3 holes left out" in "\n".join(summary(found))


def test_other_holes_are_not_compared_and_the_reason_is_said() -> None:
    first, second = evaluation_of("a", 2), evaluation_of("b", 2, holes_id="xyz")
    second["settings"] = second["settings"] | {"seed": 3, "kinds": ["rest"]}
    assert why_not(first, second) == (
        "They filled different holes: seed 0 against 3; kinds line against rest."
    )
    with pytest.raises(RunError, match="Evaluate b on the holes of a/of-a"):
        comparison(first, second)


def test_the_same_settings_on_other_files_are_other_holes() -> None:
    first, second = evaluation_of("a", 2), evaluation_of("b", 2, holes_id="xyz")
    assert why_not(first, second) == "They filled different holes: other held-out code."


def test_evaluations_of_an_older_version_have_no_name_for_their_holes() -> None:
    first, second = evaluation_of("a", 2), evaluation_of("b", 2)
    del first["holes_id"], second["holes_id"]
    assert why_not(first, second).startswith("They filled different holes")


def test_two_without_a_common_hole_are_refused() -> None:
    second = evaluation_of("b", 2)
    second["items"] = []
    with pytest.raises(RunError, match="No hole is left"):
        comparison(evaluation_of("a", 2), second)


def test_the_summary_names_both_sides() -> None:
    lines = summary(comparison(evaluation_of("a", 2), evaluation_of("b", 10)))
    assert lines[3].split() == ["line", "0.167", "0.833", "12"]
    assert lines[-1] == "Second: 8 won, 4 tied, 0 lost."
