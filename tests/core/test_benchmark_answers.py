from __future__ import annotations

import pytest

from codetune_ui.core.benchmark_answers import (
    cut,
    is_enough,
    program,
    same_call,
    same_output,
    still_parses,
)
from codetune_ui.core.benchmark_sets import SetName, Task

LOOP = Task(
    "t",
    "Python",
    "",
    "",
    "total += x",
    "total = 0\nfor x in range(3):\n    ",
    "\nprint(total)\n",
)
JAVA = Task("t", "Java", "", "", "int b = 2;", "class A {\n  void f() {\n    ", "\n  }\n}\n")
TRUTHLESS = Task("t", "Python", "a = ", "\n", "something else entirely", "a = ", "\n")


@pytest.mark.parametrize(
    ("of", "text", "kept"),
    [
        ("humaneval-single-line", "    a = 1\n    b = 2\n", "    a = 1\n"),
        ("humaneval-single-line", "    a = 1", "    a = 1"),
        ("humaneval-single-line", "", ""),
        ("humaneval-multi-line", "    a = 1\n    b = 2\n", "    a = 1\n    b = 2\n"),
        ("humaneval-random-span", "x\n\ny", "x\n\ny"),
        ("safim-control", "\ni < 3:\n    print(i)", "i < 3:"),
        ("safim-api", "f(g(1), 2).h(3)", "f(g(1), 2)"),
        ("safim-api", "f(g(1), 2", "f(g(1), 2"),
    ],
)
def test_an_answer_is_cut_by_the_set_s_rule(of: SetName, text: str, kept: str) -> None:
    assert cut(text, TRUTHLESS, of) == kept


def test_a_block_is_cut_where_its_syntax_leaves_the_hole() -> None:
    kept = cut("total += x\n    total += 1\nprint('more')\nfor", LOOP, "safim-block")
    assert kept == "total += x\n    total += 1\n"


def test_a_block_of_another_language_is_cut_too() -> None:
    kept = cut("int b = 2;\n    int c = 3;\n  }\n", JAVA, "safim-block")
    assert kept == "int b = 2;\n    int c = 3;\n"


def test_a_block_that_never_parses_is_nothing() -> None:
    assert cut(")))", LOOP, "safim-block") == ""


@pytest.mark.parametrize(
    "of", ["humaneval-single-line", "humaneval-multi-line", "safim-control", "safim-api"]
)
def test_where_an_answer_is_cut_does_not_depend_on_the_truth(of: SetName) -> None:
    text = "f(1) + g(2)\n    b = 3\n)\n"
    others = (
        Task("t", "Python", "a = ", "\n", truth, "a = ", "\n") for truth in ("", "f(1)", text)
    )
    assert {cut(text, task, of) for task in others} == {cut(text, TRUTHLESS, of)}


@pytest.mark.parametrize("of", ["humaneval-single-line", "safim-control", "safim-api"])
def test_what_is_written_after_enough_changes_nothing(of: SetName) -> None:
    text = "\n  f(1, g(2)) + 3\nmore(4)\n"
    ends = [n for n in range(len(text) + 1) if is_enough(text[:n], TRUTHLESS, of)]
    assert ends
    assert {cut(text[:n], TRUTHLESS, of) for n in ends} == {cut(text, TRUTHLESS, of)}


def test_nothing_is_enough_where_nothing_is_cut() -> None:
    assert not is_enough("a\nb\nc\n", TRUTHLESS, "humaneval-multi-line")


@pytest.mark.parametrize(
    ("answer", "truth", "language", "same"),
    [
        ("f( 1,2 )", "f(1, 2)", "Java", True),
        ("f(x=1, y=2)", "f(y=2, x=1)", "Python", True),
        ("f(1, 2)", "f(2, 1)", "Python", False),
        ("g(1)", "f(1)", "Python", False),
        ("f(x=1)", "f(1)", "Python", False),
        ("f(", "f(1)", "Python", False),
        ("(" * 5000, "f(1)", "Python", False),
        ("", "f(1)", "Python", False),
    ],
)
def test_calls_are_the_same_but_for_blanks_and_the_order_of_names(
    answer: str, truth: str, language: str, same: bool
) -> None:
    assert same_call(answer, truth, language) is same


def test_a_program_is_the_answer_in_its_place_and_the_tests() -> None:
    task = Task("t", "Python", "", "", "", "def f():\n", "\n", "\nassert f() == 1")
    assert program("    return 1", task) == "def f():\n    return 1\n\nassert f() == 1"


def test_parsing_is_said_only_where_the_true_program_parses() -> None:
    assert still_parses("total += 2", LOOP) is True
    assert still_parses("total += (", LOOP) is False
    broken = Task("t", "Python", "", "", "x", "def (", "")
    assert still_parses("x", broken) is None


@pytest.mark.parametrize(
    ("printed", "right", "same"),
    [
        ("6\n", ("6",), True),
        ("6 \n\n", ("6",), True),
        ("6", ("7", "6\n"), True),
        ("6\n6", ("6 6",), False),
        ("", ("6",), False),
    ],
)
def test_outputs_are_compared_line_by_line(
    printed: str, right: tuple[str, ...], same: bool
) -> None:
    assert same_output(printed, right) is same
