from __future__ import annotations

from codetune_ui.core.evaluation import Request, summary
from tests.core.made import filled, made


def test_an_evaluation_has_the_fields_of_the_command_line() -> None:
    found = made(*[filled("return floor_of(1)", "return 1", "return floor_of(1)")] * 8)
    assert found["holes"] == 8
    assert found["verdict"] == "better"
    assert found["base"]["exact_match"] == 0.0
    assert found["adapter"]["middle_nll_per_char"] == 0.25
    assert found["difference"]["identifiers"] == [1.0, 1.0, 1.0]
    assert found["by_kind"]["line"]["wins"] == 8
    assert found["by_language"]["Python"]["holes"] == 8
    assert found["settings"]["seed"] == 0


def test_a_hole_is_kept_with_both_answers_the_truth_and_the_lines_around() -> None:
    (item,) = made(filled("return floor_of(1)", "return 1", "return floor_of(1)"))["items"]
    assert item["won_by"] == "adapter"
    assert (item["path"], item["line"], item["kind"]) == ("src/pond.py", 2, "line")
    assert (item["before"], item["truth"], item["after"]) == (
        "def depth():\n    ",
        "return floor_of(1)",
        "\n",
    )
    assert item["base"]["text"] == "return 1"
    assert item["adapter"]["scores"]["edit_similarity"] == 1.0


def test_a_request_is_read_as_it_was_written() -> None:
    request = Request(run="a", holes=7, seed=3, kinds=("rest", "block"))
    assert Request.from_dict(request.to_dict()) == request


def test_a_terminal_shows_the_price_beside_the_gain() -> None:
    found = made(filled("return 1", "return 2", "return 1")) | {"forgetting": {"sentence": "So."}}
    assert summary(found)[:3] == [found["sentence"], "So.", ""]


def test_a_terminal_shows_the_sentence_first() -> None:
    found = made(filled("return 1", "return 2", "return 1"))
    lines = summary(found)
    assert lines[0] == found["sentence"]
    assert "exact_match               0.000    1.000      +1.000   +1.000 to +1.000" in lines
    assert lines[-1] == "Exact match: 1 won, 0 tied, 0 lost."
