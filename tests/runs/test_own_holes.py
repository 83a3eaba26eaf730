from __future__ import annotations

import os
from pathlib import Path

import pytest

from codetune_ui.core.errors import SourceError
from codetune_ui.core.own_holes import own_hole
from codetune_ui.runs import own_holes
from codetune_ui.runs.store import Home

ONE = own_hole("x = ", "1", "\n", path="src/pond.py", created=1.0)
TWO = own_hole("y = ", "2\u2028", "\n", path="src/lake.py", created=2.0)


def test_kept_holes_come_back_the_oldest_first(home: Path) -> None:
    assert own_holes.own_holes(Home(home)) == []
    assert own_holes.keep(Home(home), ONE)
    assert own_holes.keep(Home(home), TWO)
    assert own_holes.own_holes(Home(home)) == [ONE, TWO]


def test_the_same_hole_is_kept_once(home: Path) -> None:
    own_holes.keep(Home(home), ONE)
    assert not own_holes.keep(Home(home), own_hole("x = ", "1", "\n", path="src/pond.py"))
    assert own_holes.own_holes(Home(home)) == [ONE]


def test_a_removed_hole_is_gone_and_the_others_stay(home: Path) -> None:
    own_holes.keep(Home(home), ONE)
    own_holes.keep(Home(home), TWO)
    own_holes.remove(Home(home), ONE.id)
    own_holes.remove(Home(home), "never there")
    assert own_holes.own_holes(Home(home)) == [TWO]


def test_a_line_that_cannot_be_read_is_passed_over(home: Path) -> None:
    own_holes.keep(Home(home), ONE)
    path = home / "own_holes.jsonl"
    path.write_text('{"id": 3}\nnot json\n[]\n' + path.read_text("utf-8"), encoding="utf-8")
    assert own_holes.own_holes(Home(home)) == [ONE]


def test_there_is_a_most(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_holes, "MOST", 1)
    own_holes.keep(Home(home), ONE)
    with pytest.raises(SourceError, match="1 holes of your own"):
        own_holes.keep(Home(home), TWO)


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_only_the_person_may_read_the_file(home: Path) -> None:
    own_holes.keep(Home(home), ONE)
    assert (home / "own_holes.jsonl").stat().st_mode & 0o777 == 0o600
