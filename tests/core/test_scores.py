from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.holes import Hole, HoleKind
from codetune_ui.core.scores import METRICS, Answer, Names, Scores, names, one_line, score

HOLE = Hole(
    "pond.py",
    "Python",
    "line",
    "def depth(at):\n    ",
    "return floor_of(at) - 1",
    "\n",
)
BLOCK = Hole("pond.py", "Python", "block", "if a:\n", "    b = 1\n    c = 2", "\nd = 3\n")
NO_NAMES: frozenset[str] = frozenset()


def scored(text: str, *, ended: bool = True, hole: Hole = HOLE) -> Scores:
    return score(hole, Answer(text, ended), frozenset({"floor_of", "at"}), 0.5)


def test_the_truth_itself_has_every_score() -> None:
    assert scored("return floor_of(at) - 1") == {
        "exact_match": 1.0,
        "edit_similarity": 1.0,
        "first_line": 1.0,
        "stop_accuracy": 1.0,
        "parses": 1.0,
        "identifiers": 1.0,
        "middle_nll_per_char": 0.5,
    }


def test_a_wrong_answer_is_measured_by_its_distance() -> None:
    found = scored("return at - 1")
    assert found["exact_match"] == 0.0
    assert found["edit_similarity"] == pytest.approx(1 - 10 / 23)  # "floor_of(" and ")" are missing
    assert found["identifiers"] == 0.5
    assert found["parses"] == 1.0


def test_blank_ends_do_not_count_and_indentation_does() -> None:
    assert scored("return floor_of(at) - 1  ")["exact_match"] == 1.0
    assert scored(" return floor_of(at) - 1")["exact_match"] == 0.0


def test_who_is_ended_by_a_rule_has_not_stopped() -> None:
    assert scored("return floor_of(at) - 1", ended=False)["stop_accuracy"] == 0.0


def test_to_stop_after_too_few_or_too_many_lines_is_wrong() -> None:
    assert scored("    b = 1", hole=BLOCK)["stop_accuracy"] == 0.0
    assert scored("    b = 1\n    c = 3", hole=BLOCK)["stop_accuracy"] == 1.0
    assert scored("    b = 1\n    c = 2\n    e = 2", hole=BLOCK)["stop_accuracy"] == 0.0


def test_the_first_line_may_be_right_alone() -> None:
    found = scored("    b = 1\n    e = 9", hole=BLOCK)
    assert (found["first_line"], found["exact_match"]) == (1.0, 0.0)


def test_a_file_that_no_longer_parses_is_seen() -> None:
    assert scored("return floor_of(at")["parses"] == 0.0


def test_where_the_original_does_not_parse_nothing_is_said() -> None:
    broken = Hole("a.py", "Python", "line", "def (:\n", "b = 1", "\n")
    assert scored("b = 1", hole=broken)["parses"] is None
    unknown = Hole("a.zz", "Nolang", "line", "", "b = 1", "\n")
    assert scored("b = 1", hole=unknown)["parses"] is None


def test_without_known_names_in_the_truth_nothing_is_said_of_names() -> None:
    assert score(HOLE, Answer("return x", True), NO_NAMES)["identifiers"] is None
    assert score(HOLE, Answer("return x", True), NO_NAMES)["middle_nll_per_char"] is None


@pytest.mark.parametrize(
    ("kind", "expected"), [("inside", "a"), ("rest", "a"), ("line", "a"), ("block", "a\nb")]
)
def test_holes_in_a_line_are_asked_for_one_line(kind: HoleKind, expected: str) -> None:
    assert one_line("a\nb", kind) == expected


def test_names_are_known_from_training_code_or_from_another_file() -> None:
    known = Names(["alpha = beta_1", "beta_1 = gamma", "delta()"])
    assert known.known() == {"beta_1"}
    known.note("delta(alpha2)")
    assert known.known() == {"beta_1", "delta"}


def test_words_of_the_language_and_single_letters_are_no_names() -> None:
    assert names("for i in return_it: raise Pond(None)") == {"return_it", "Pond"}


@given(st.text("ab(\n ", max_size=30), st.booleans())
def test_every_score_lies_between_0_and_1(text: str, ended: bool) -> None:
    found = scored(text, ended=ended)
    assert tuple(found) == METRICS
    assert all(value is None or 0 <= value <= 1 for value in found.values())


@given(st.text("ab(\n ", max_size=12), st.text("ab(\n ", max_size=12))
def test_edit_similarity_is_what_a_plain_table_of_distances_gives(text: str, truth: str) -> None:
    hole = Hole("a.zz", "", "block", "", truth, "")
    longest = max(len(text.rstrip()), len(truth.rstrip()))
    expected = 1 - distance(text.rstrip(), truth.rstrip()) / longest if longest else 1.0
    found = score(hole, Answer(text, True), NO_NAMES)["edit_similarity"]
    assert found == pytest.approx(expected)


def distance(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
