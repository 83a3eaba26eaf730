from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.clean import name_rules
from codetune_ui.ui.choices import decide, pattern, settle

NAMES = st.text(min_size=1, max_size=12).filter(
    lambda text: text.strip("/") == text and text.isprintable() and "//" not in text
)


@given(NAMES)
def test_the_pattern_of_any_file_matches_it(path: str) -> None:
    if path.split("/")[-1] in (".", "..") or path != path.strip():
        return
    assert name_rules("", "", pattern(path)).forces(path)


@given(NAMES, NAMES)
def test_the_pattern_of_a_file_matches_no_other_of_plain_names(path: str, other: str) -> None:
    plain = all(char.isalnum() or char in "/._-*?[]" for char in path + other)
    if plain and path != other and not other.startswith(path + "/"):
        assert not name_rules("", "", pattern(path)).forces(other)


def test_the_pattern_of_a_folder_matches_all_below_it_and_nothing_beside_it() -> None:
    rules = name_rules("", "", pattern("src/gen", folder=True))
    assert rules.forces("src/gen/a/b.py")
    assert not rules.forces("src/generated.py")
    assert not rules.forces("lib/src/gen/a.py")


def test_a_choice_takes_back_the_opposite_one() -> None:
    assert decide("never", "/a.js", ("/a.js, *.ts", "")) == ("*.ts", "/a.js")
    assert decide("keep", "/a.js", ("", "b, /a.js")) == ("/a.js", "b")


def test_the_same_choice_twice_is_written_once() -> None:
    once = decide("keep", "/a.js", ("", ""))
    assert decide("keep", "/a.js", once) == once == ("/a.js", "")


def test_an_undo_brings_back_what_was() -> None:
    asked = json.dumps({"deed": "keep", "path": "gen", "folder": True})
    after, before = settle(asked, ("", "*.ts"))
    assert after == ("/gen/", "*.ts")
    assert settle(json.dumps({"deed": "undo", "was": before}), after)[0] == ("", "*.ts")


@pytest.mark.parametrize(
    "asked",
    ["", "{", "[]", "7", '{"deed": "keep"}', '{"deed": "x", "path": "a"}', '{"deed": "undo"}'],
)
def test_what_cannot_be_read_changes_nothing(asked: str) -> None:
    assert settle(asked, ("a", "b"))[0] == ("a", "b")
