from __future__ import annotations

import json
from pathlib import Path

import pytest

from codetune_ui.core.errors import SourceError
from codetune_ui.runs.own_holes import own_holes
from codetune_ui.runs.store import Home
from codetune_ui.ui.play_holes import EXAMPLE, Sample
from codetune_ui.ui.play_keep import KEPT, KNOWN_ALREADY, keep_hole

SAMPLE = Sample("src/pond.go", "go", "x := ", "depth()", "\n")


def answer(truth: str | None, text: str = "") -> str:
    return json.dumps({"truth": truth, "text": text})


def test_the_editors_hole_is_kept_with_its_truth_and_the_files_name(home: Path) -> None:
    assert keep_hole(Home(home), SAMPLE.text, SAMPLE.known(), answer("depth()")) == KEPT
    (own,) = own_holes(Home(home))
    assert (own.path, own.language) == ("src/pond.go", "Go")
    assert (own.prefix, own.middle, own.suffix) == ("x := ", "depth()", "\n")
    assert keep_hole(Home(home), SAMPLE.text, SAMPLE.known(), answer("depth()")) == KNOWN_ALREADY


def test_a_selection_comes_with_the_marker_in_its_place(home: Path) -> None:
    keep_hole(Home(home), "x = 1 + 2\n", "", answer("1 + 2", "x = <FILL>\n"))
    (own,) = own_holes(Home(home))
    assert (own.path, own.prefix, own.middle, own.suffix) == ("pasted.py", "x = ", "1 + 2", "\n")


def test_who_thinks_better_of_it_keeps_nothing(home: Path) -> None:
    assert keep_hole(Home(home), EXAMPLE, "", answer(None)) == ""
    assert own_holes(Home(home)) == []


def test_no_hole_and_no_truth_are_one_sentence(home: Path) -> None:
    with pytest.raises(SourceError, match="There is no hole in the code"):
        keep_hole(Home(home), "x = 1\n", "", answer(""))
    with pytest.raises(SourceError, match="not said what should stand"):
        keep_hole(Home(home), EXAMPLE, "", answer(" "))
