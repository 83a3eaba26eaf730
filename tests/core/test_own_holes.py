from __future__ import annotations

import pytest

from codetune_ui.core.errors import SourceError
from codetune_ui.core.own_holes import OwnHole, own_hole, part


def test_an_own_hole_is_a_hole_of_its_own_kind() -> None:
    own = own_hole("x = ", "1", "\ny = 2\n", path="src/pond.go", created=5.0)
    assert (own.path, own.language, own.created) == ("src/pond.go", "Go", 5.0)
    hole = own.hole
    assert (hole.kind, hole.prefix, hole.middle, hole.suffix) == ("own", "x = ", "1", "\ny = 2\n")
    assert hole.line == 1


def test_without_a_file_name_it_is_python() -> None:
    own = own_hole("x = ", "1", "")
    assert (own.path, own.language) == ("pasted.py", "Python")


def test_line_ends_and_separators_of_windows_become_ours() -> None:
    own = own_hole("a\r\n", "b", "\rc", path="src\\pond.py")
    assert (own.prefix, own.suffix, own.path) == ("a\n", "\nc", "src/pond.py")


def test_the_same_hole_has_the_same_id_whenever_it_is_kept() -> None:
    first, second = (own_hole("x = ", "1", "", created=at) for at in (1.0, 2.0))
    assert first.id == second.id
    assert own_hole("x = ", "2", "").id != first.id


def test_it_comes_back_from_json() -> None:
    own = own_hole("x = ", "1", "")
    assert OwnHole.from_dict(own.to_dict()) == own


@pytest.mark.parametrize(
    ("prefix", "middle", "message"),
    [
        ("x = ", " \n", "not said what should stand"),
        ("x = ", "y" * 2001, "2,001 characters long"),
        ("x" * 200_001, "y", "longer than 200,000"),
    ],
)
def test_a_hole_of_nothing_or_of_too_much_is_refused(
    prefix: str, middle: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        own_hole(prefix, middle, "")


@pytest.mark.parametrize(
    "text", ["x = 1", "x = <FILL>1", "</FILL>x<FILL>", "<FILL>1</FILL> <FILL>2</FILL>"]
)
def test_code_without_exactly_one_marked_hole_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="one marked hole"):
        part(text)
