"""A benchmark's answers: where they are cut, and what can be said of them without running them.

Nothing here looks at the truth before the answer is cut. The rules are the published ones (see
`benchmark_sets`), written anew.
"""

from __future__ import annotations

import ast
import re

from codetune_ui.core.benchmark_sets import SetName, Task
from codetune_ui.core.syntax import grammar_of, node_trace, parses

ONE_LINE: frozenset[SetName] = frozenset({"humaneval-single-line"})


def is_enough(text: str, task: Task, of: SetName) -> bool:
    """Say whether what is written so far holds all that `cut` would keep: nothing more is asked.

    >>> task = Task("t", "Python", "a = ", "", "", "a = ", "")
    >>> is_enough("f(1", task, "safim-api"), is_enough("f(1)", task, "safim-api")
    (False, True)
    """
    if of in ONE_LINE or (of == "safim-control" and task.language == "Python"):
        return "\n" in text.lstrip()
    if of == "safim-control":
        return _closing(text, -1) is not None
    return of == "safim-api" and _closing(text, 0) is not None


def cut(text: str, task: Task, of: SetName) -> str:
    r"""Return an answer as it counts.

    >>> task = Task("t", "Java", "for (", ") {}", "", "for (", ") {}")
    >>> cut("\n  a = 1\n  b = 2\n", task, "humaneval-single-line")
    '\n  a = 1\n'
    >>> cut("int i = 0; f(i) < 3; i++) { x", task, "safim-control")
    'int i = 0; f(i) < 3; i++'
    >>> cut("json.loads(text)[0] + (1)", task, "safim-api")
    'json.loads(text)'
    """
    if of in ONE_LINE:
        found = re.match(r"\s*[^\n]*\n?", text)
        return found.group() if found else text
    if of == "safim-control":
        if task.language == "Python":
            return next((line for line in text.splitlines() if line.strip()), "")
        place = _closing(text, -1)
        return text if place is None else text[:place]
    if of == "safim-api":
        place = _closing(text, 0)
        return text if place is None else text[: place + 1]
    if of == "safim-block":
        return _whole_block(text, task)
    return text


def _closing(text: str, depth: int) -> int | None:
    """Return the place of the first ")" that leaves no more than so many brackets open."""
    level = 0
    for place, letter in enumerate(text):
        level += (letter == "(") - (letter == ")")
        if letter == ")" and level <= depth:
            return place
    return None


def _whole_block(text: str, task: Task) -> str:
    """Take off last lines until the syntax around the hole is that around an empty one."""
    grammar = grammar_of(task.language)
    stands_for = "pass" if task.language == "Python" else ""  # an empty block is none in Python
    empty = node_trace(task.filled(stands_for), grammar)
    if empty is None:
        return text
    spare = len(node_trace("pass", grammar) or ()) - 2 if stands_for else 0
    lines = text.splitlines(keepends=True)
    while lines:
        whole = node_trace(task.filled("".join(lines)), grammar)
        if whole is not None and _around_alike(empty, whole, spare):
            break
        lines.pop()
    return "".join(lines)


def _around_alike(empty: list[str], whole: list[str], spare: int) -> bool:
    """Say whether one trace is the other with something in its middle, but for `spare` steps."""
    most = min(len(empty), len(whole))
    if len(whole) < len(empty):
        return False
    front = next((i for i in range(most) if empty[i] != whole[i]), most)
    back = next((i for i in range(most) if empty[-1 - i] != whole[-1 - i]), most)
    return front + back >= len(empty) - spare


def same_call(answer: str, truth: str, language: str) -> bool:
    """Say whether two calls are the same: blanks do not count, nor the order of named arguments.

    The latter in Python only, as SAFIM's script has it; that script leaves the function's name out
    of account there, which is not done here.

    >>> same_call("f(a, y=2, x=1)", "f(a,x=1,y=2)", "Python"), same_call("f(1)", "f(2)", "Java")
    (True, False)
    """
    ours, theirs = (re.sub(r"\s+", "", text) for text in (answer, truth))
    if ours == theirs or language != "Python":
        return ours == theirs
    calls = [_call(text) for text in (ours, theirs)]
    return None not in calls and calls[0] == calls[1]


def _call(text: str) -> tuple[str, list[str], dict[str | None, str]] | None:
    try:
        found = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(found, ast.Call):
        return None
    named = {word.arg: ast.dump(word.value) for word in found.keywords}
    return ast.dump(found.func), [ast.dump(value) for value in found.args], named


def still_parses(answer: str, task: Task) -> bool | None:
    """Say whether the program parses with an answer in it; None where the true one does not."""
    grammar = grammar_of(task.language)
    if not parses(task.filled(task.truth), grammar):
        return None
    return bool(parses(task.filled(answer), grammar))


def program(answer: str, task: Task) -> str:
    """Return the program that is run: with its tests, where they are code."""
    return task.filled(answer) + task.test


def same_output(printed: str, right: tuple[str, ...]) -> bool:
    r"""Say whether a program printed what is right, blanks at the ends of lines left out.

    >>> same_output("1 2 \n3\n\n", ("1 2\n3",)), same_output("1 2 3", ("1 2\n3",))
    (True, False)
    """
    ours = _lines(printed)
    return any(ours == _lines(one) for one in right)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]
