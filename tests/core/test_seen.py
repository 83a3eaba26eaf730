from __future__ import annotations

from codetune_ui.core.seen import Seen, around

HELD_OUT = "a = 1\nb = 2\nc = 3\nd = 4\n"


def has(seen: Seen, piece: str) -> bool:
    start = HELD_OUT.index(piece)
    return seen.has(HELD_OUT, start, start + len(piece))


def test_a_line_between_its_two_neighbours_is_seen() -> None:
    seen = Seen([HELD_OUT])
    seen.note("x = 0\na = 1\nb = 2\nc = 3\ny = 9\n")
    assert has(seen, "b = 2")
    assert has(seen, "2")  # a part of the line


def test_a_line_among_other_neighbours_is_not_seen() -> None:
    seen = Seen([HELD_OUT])
    seen.note("a = 1\nb = 2\nz = 3\n")
    assert not has(seen, "b = 2")


def test_indentation_and_blank_lines_hide_no_copy() -> None:
    seen = Seen([HELD_OUT])
    seen.note("    a = 1\n\n    b = 2\n\n    c = 3")
    assert has(seen, "b = 2")


def test_several_lines_are_seen_only_where_all_of_them_stand_in_a_row() -> None:
    seen = Seen([HELD_OUT])
    seen.note("a = 1\nb = 2\nc = 3\n")
    assert not has(seen, "b = 2\nc = 3")
    seen.note("b = 2\nc = 3\nd = 4\n")
    assert has(seen, "b = 2\nc = 3")


def test_a_file_s_first_line_is_seen_in_a_copy_of_its_beginning() -> None:
    seen = Seen([HELD_OUT])
    assert not has(seen, "a = 1")
    seen.note("a = 1\nb = 2\n")
    assert has(seen, "a = 1")


def test_past_the_ends_of_a_text_stands_an_empty_line() -> None:
    assert around("only = 1", 2, 4) == ["", "only = 1", ""]
