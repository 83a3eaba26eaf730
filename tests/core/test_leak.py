from __future__ import annotations

import pytest

from codetune_ui.core.document import Document
from codetune_ui.core.leak import Leak, Pair, leak, sample


def document(path: str, lines: list[str]) -> Document:
    return Document("\n".join(lines) + "\n", path, "Python", path)


def lines(name: str, count: int) -> list[str]:
    return [f"{name}_{n:03} = {n:03}" for n in range(count)]


def test_code_that_stands_on_one_side_only_is_no_leak() -> None:
    assert leak([document("a.py", lines("a", 50))], [document("b.py", lines("b", 50))]) == Leak(0.0)


@pytest.mark.parametrize(("planted", "expected"), [(5, 0.0), (6, 0.06), (20, 0.2), (100, 1.0)])
def test_the_share_is_that_of_what_was_planted(planted: int, expected: float) -> None:
    held_out = lines("b", 100)
    train = lines("a", 40) + held_out[:planted] + lines("c", 40)
    found = leak([document("a.py", train)], [document("b.py", held_out)])
    assert found.share == pytest.approx(expected)
    assert found.pairs == ((Pair("b.py", "a.py", planted),) if expected else ())


def test_another_indentation_and_comments_between_hide_no_copy() -> None:
    copied = [text for line in lines("a", 10) for text in ("", "        " + line, "  # why")]
    found = leak([document("a.py", lines("a", 10))], [document("b.py", copied)])
    assert found.share == 1.0


def test_the_same_licence_header_is_no_leak() -> None:
    header = [f"# licence line {n}" for n in range(20)]
    train = document("a.py", header + lines("a", 10))
    assert leak([train], [document("b.py", header + lines("b", 10))]).share == 0.0


def test_the_same_lines_in_another_order_are_no_leak() -> None:
    found = leak([document("a.py", lines("a", 50)[::-1])], [document("b.py", lines("a", 50))])
    assert found.share == 0.0


def test_the_worst_pairs_come_first_and_only_so_many() -> None:
    train = [document(f"t{n:02}.py", lines(f"t{n:02}", 10 + n)) for n in range(30)]
    held_out = [document(f"v{n:02}.py", lines(f"t{n:02}", 10 + n)) for n in range(30)]
    found = leak(train, held_out)
    assert len(found.pairs) == 20
    assert found.pairs[0] == Pair("v29.py", "t29.py", 39)


def test_nothing_held_out_leaks_nothing() -> None:
    assert leak([document("a.py", lines("a", 9))], []) == Leak(0.0)


def test_of_much_held_out_code_an_even_sample_is_looked_at() -> None:
    held_out = [document(f"{n}.py", lines("a", 10)) for n in range(100)]
    size = held_out[0].size
    assert sample(held_out, most=100 * size) == (held_out, 1.0)
    assert sample(held_out, most=30 * size) == (held_out[::4], 0.25)
    assert sample([], most=10) == ([], 1.0)
