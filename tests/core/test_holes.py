from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.document import Document
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.holes import (
    HOLE_KINDS,
    Hole,
    HoleKind,
    cut_holes,
    holes_id,
    parse_kinds,
)
from codetune_ui.core.seen import Seen

TEXTS = [
    "def area(radius):\n    return PI * radius ** 2\n\n\nclass Pond:\n    depth = 3\n",
    "é = 'ü🦀'\n\n\tif é: print(é, é)\r\n",
    "}\n)\n\n",
    "",
    "x" * 500,
]


def document(text: str, path: str = "a.py", language: str = "Python") -> Document:
    return Document(text, path, language, path)


def repository() -> list[Document]:
    """This repository's own core: real files of many sizes."""
    folder = Path(__file__).parents[2] / "codetune_ui" / "core"
    return [document(p.read_text("utf-8"), p.name) for p in sorted(folder.glob("*.py"))]


def of_kind(text: str, kind: HoleKind, count: int = 50) -> list[Hole]:
    return list(cut_holes([document(text)], count, seed=0, kinds=[kind]).found)


code = st.sampled_from(TEXTS) | st.text(st.sampled_from("ab_ (.)\n\t=9é🦀"), max_size=300)


@given(st.lists(code, max_size=4), st.integers(0, 5))
def test_every_hole_and_its_ends_are_the_file(texts: list[str], seed: int) -> None:
    documents = [document(text, f"{place}.py") for place, text in enumerate(texts)]
    for hole in cut_holes(documents, 30, seed=seed).found:
        place = int(hole.path.removesuffix(".py"))
        assert hole.text == texts[place]
        assert any(char.isalnum() for char in hole.middle)
        assert len(hole.middle) <= 200


@given(code, st.sampled_from(("inside", "rest", "line")))
def test_holes_of_lines_hold_no_line_break_and_no_blank_end(text: str, kind: HoleKind) -> None:
    for hole in of_kind(text, kind):
        assert "\n" not in hole.middle
        assert kind == "inside" or hole.middle == hole.middle.rstrip()


def test_a_line_s_indentation_stays() -> None:
    found = {hole.middle: hole for hole in of_kind(TEXTS[0], "line")}
    assert set(found) == {
        "def area(radius):",
        "return PI * radius ** 2",
        "class Pond:",
        "depth = 3",
    }
    assert found["depth = 3"].prefix.endswith("class Pond:\n    ")
    assert found["depth = 3"].suffix == "\n"
    assert found["depth = 3"].line == 6


def test_the_rest_of_a_line_ends_where_the_line_does() -> None:
    holes = of_kind(TEXTS[0], "rest")
    assert len(holes) == 4
    assert all(hole.suffix.startswith("\n") for hole in holes)
    assert all(hole.prefix[-1] not in "\n\t" for hole in holes)


def test_after_a_hole_inside_a_line_a_bracket_a_quote_or_a_comma_stands() -> None:
    holes = [hole for seed in range(20) for hole in _inside(seed)]
    assert {hole.suffix[0] for hole in holes} == {")", ":"}
    assert {"def area(radius):", "class Pond:"} == {
        (hole.prefix + hole.middle + hole.suffix).splitlines()[hole.line - 1] for hole in holes
    }


def _inside(seed: int) -> tuple[Hole, ...]:
    return cut_holes([document(TEXTS[0])], 50, seed=seed, kinds=["inside"]).found


def test_a_block_is_a_piece_of_the_syntax_over_several_lines() -> None:
    middles = {hole.middle for hole in of_kind(TEXTS[0], "block")}
    assert "class Pond:\n    depth = 3" in middles
    assert all("\n" in middle for middle in middles)


def test_a_language_without_a_grammar_has_no_blocks() -> None:
    found = cut_holes([document(TEXTS[0], "a.zz", "Nolang")], 9, seed=0, kinds=["block"])
    assert found.found == ()


def test_two_hundred_holes_are_shared_evenly_by_the_kinds_and_the_files() -> None:
    holes = cut_holes(repository(), 200, seed=0).found
    assert Counter(hole.kind for hole in holes) == dict.fromkeys(HOLE_KINDS, 50)
    for kind in HOLE_KINDS:
        files = Counter(hole.path for hole in holes if hole.kind == kind)
        assert len(files) > 40
        assert max(files.values()) <= 2


def test_no_two_holes_are_the_same() -> None:
    twice = [document(TEXTS[0], "a.py"), document(TEXTS[0], "b.py")]
    holes = cut_holes(twice, 100, seed=0, kinds=["line"]).found
    assert len(holes) == 4


def test_a_seed_gives_the_same_holes_whatever_the_order_of_the_files() -> None:
    documents = repository()
    assert cut_holes(documents, 80, seed=3) == cut_holes(documents[::-1], 80, seed=3)
    assert cut_holes(documents, 80, seed=3) != cut_holes(documents, 80, seed=4)


def test_where_one_kind_runs_out_the_others_fill_up() -> None:
    holes = cut_holes(repository(), 60, seed=0, kinds=["line", "block"]).found
    plain = [document(d.text, d.path, "Nolang") for d in repository()]
    others = cut_holes(plain, 60, seed=0, kinds=["line", "block"]).found
    assert Counter(hole.kind for hole in holes) == {"line": 30, "block": 30}
    assert Counter(hole.kind for hole in others) == {"line": 60}


def test_what_stands_in_the_training_code_is_left_out() -> None:
    seen = Seen([TEXTS[0]])
    seen.note(TEXTS[0].replace("depth = 3", "depth = 4"))
    found = cut_holes([document(TEXTS[0])], 9, seed=0, kinds=["line"], in_train=seen.has)
    assert {hole.middle for hole in found.found} == {"class Pond:", "depth = 3"}
    assert found.in_train == 2


def test_kinds_are_read_as_they_are_typed() -> None:
    assert parse_kinds("rest,inside") == ("inside", "rest")


@pytest.mark.parametrize("typed", ["lines", "line;rest", ","])
def test_an_unknown_kind_is_refused_with_the_known_ones(typed: str) -> None:
    with pytest.raises(ConfigError, match="Choose from inside, rest, line, block"):
        parse_kinds(typed)


def test_own_is_a_kind_that_is_asked_for_by_name_only() -> None:
    assert parse_kinds("own,line") == ("line", "own")
    assert "own" not in HOLE_KINDS


def test_a_set_of_holes_has_one_name_in_any_order_and_another_when_the_text_is_another() -> None:
    one = Hole("a.py", "Python", "line", "x = ", "1", "\n")
    two = Hole("b.py", "Python", "line", "y = ", "2", "\n")
    moved = Hole("b.py", "Python", "line", "y = ", "2", "\nz = 3\n")
    assert holes_id([one, two]) == holes_id([two, one])
    assert holes_id([one, two]) != holes_id([one, moved])
    assert holes_id([one]) != holes_id([one, two])
