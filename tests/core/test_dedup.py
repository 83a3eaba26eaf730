from __future__ import annotations

from codetune_ui.core.dedup import SeenTexts, text_hash


def test_the_first_path_of_a_text_is_named() -> None:
    seen = SeenTexts()
    assert seen.first_path("a = 1\n", "first.py") is None
    assert seen.first_path("b = 1\n", "other.py") is None
    assert seen.first_path("a = 1\n", "second.py") == "first.py"


def test_the_same_path_twice_is_still_a_duplicate() -> None:
    seen = SeenTexts()
    assert seen.first_path("a = 1\n", "a.py") is None
    assert seen.first_path("a = 1\n", "a.py") == "a.py"


def test_blanks_at_line_ends_do_not_matter_but_indentation_does() -> None:
    assert text_hash("if a:\n    b\n") == text_hash("if a:  \n    b\n\n")
    assert text_hash("if a:\n    b\n") != text_hash("if a:\n  b\n")
