from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import RunError, SourceError
from codetune_ui.core.evaluation import Request
from codetune_ui.core.holes import Hole, HoleKind, Holes, holes_id
from codetune_ui.core.own_holes import own_hole
from codetune_ui.engine.chosen import Chosen, InTrain, choose
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.own_holes import keep
from codetune_ui.runs.store import Home, Run

POND = "def depth(pond):\n    return pond.floor - pond.surface\n"
LAKE = "def width(lake):\n    return lake.east - lake.west\n"
OWN = own_hole("def area(pond):\n    return ", "pond.width * pond.length", "\n", path="own.py")


def documents(*texts: str) -> list[Document]:
    return [Document(text, f"f{n}.py", "Python", f"f{n}.py") for n, text in enumerate(texts)]


def held_out(_: Run) -> list[Document]:
    return documents(POND, LAKE)


def never(*_: Any) -> bool:
    return False


def trained_on(word: str) -> InTrain:
    return lambda text, *_: word in text


def run_of(home: Path, name: str = "calm-otter") -> Run:
    return Home(home).create_run(Config(base_model="demo", source="demo"), name)


def ask(kinds: tuple[HoleKind, ...] = ("line",), **more: Any) -> Request:
    return Request(run="calm-otter", holes=2, kinds=kinds, **more)


def write(run: Run, holes: list[Hole], name: str = "20261123-1") -> str:
    """Put down what an evaluation keeps of its holes; return what it is called."""
    chosen = Chosen(ask(), documents(POND, LAKE), None, ())
    folder = run.path / "evaluation"
    folder.mkdir()
    items = [
        {"path": h.path, "language": h.language, "kind": h.kind, "start": len(h.prefix)}
        | {"truth": h.middle}
        for h in holes
    ]
    about = chosen.about(Holes(tuple(holes)))
    replace_json(folder / f"{name}.json", {"items": items, **about})
    return f"{run.name}/{name}"


def test_own_holes_are_added_to_those_that_are_cut(home: Path) -> None:
    keep(Home(home), OWN)
    found = choose(Home(home), run_of(home), ask(("line", "own")), held_out).draw(never)
    assert [hole.kind for hole in found.found] == ["line", "line", "own"]
    assert found.found[-1] == OWN.hole


def test_own_holes_are_asked_only_when_they_are_wanted(home: Path) -> None:
    keep(Home(home), OWN)
    found = choose(Home(home), run_of(home), ask(), held_out).draw(never)
    assert [hole.kind for hole in found.found] == ["line", "line"]


def test_an_own_hole_that_the_training_code_has_is_named_not_asked(home: Path) -> None:
    keep(Home(home), OWN)
    chosen = choose(Home(home), run_of(home), ask(("line", "own")), held_out)
    found = chosen.draw(trained_on("area"))
    assert [hole.kind for hole in found.found] == ["line", "line"]
    assert found.own_in_train == (OWN.hole,)
    assert chosen.about(found)["own_in_train"] == [{"path": "own.py", "line": 2}]


def test_no_hole_at_all_is_refused(home: Path) -> None:
    chosen = choose(Home(home), run_of(home), ask(), held_out)
    with pytest.raises(SourceError, match="no hole"):
        chosen.draw(trained_on(""))


def test_the_code_around_own_holes_counts_once_however_many_holes_it_has(home: Path) -> None:
    keep(Home(home), OWN)
    keep(Home(home), own_hole("def ", "area", OWN.hole.text[8:], path="own.py"))
    keep(Home(home), own_hole("", POND.rstrip("\n"), "\n", path="elsewhere.py"))
    chosen = choose(Home(home), run_of(home), ask(("own",)), held_out)
    assert [d.text for d in chosen.all_code] == [POND, LAKE, OWN.hole.text]
    assert [d.text for d in chosen.documents] == [POND, LAKE]


def test_another_evaluations_holes_are_cut_out_of_its_own_runs_files(home: Path) -> None:
    run = run_of(home)
    place = POND.index("pond.floor")
    hole = Hole("f0.py", "Python", "rest", POND[:place], POND[place:-1], "\n")
    reference = write(run, [hole, OWN.hole])
    other = run_of(home, "brisk-finch")
    chosen = choose(Home(home), other, ask(holes_of=reference), held_out)
    found = chosen.draw(never)
    assert found.found == (hole, OWN.hole)
    assert chosen.about(found)["holes_id"] == holes_id([hole, OWN.hole])


def test_a_hole_that_the_other_run_was_trained_on_is_left_out_but_the_set_keeps_its_name(
    home: Path,
) -> None:
    run = run_of(home)
    place = POND.index("pond.floor")
    one = Hole("f0.py", "Python", "rest", POND[:place], POND[place:-1], "\n")
    two = Hole("f1.py", "Python", "line", LAKE[:22], LAKE[22:-1], "\n")
    reference = write(run, [one, two])
    chosen = choose(Home(home), run_of(home, "b"), ask(holes_of=reference), held_out)
    found = chosen.draw(trained_on("lake"))
    assert (found.found, found.in_train) == ((one,), 1)
    assert chosen.about(found)["holes_id"] == holes_id([one, two])


@pytest.mark.parametrize("changed", [documents(POND), documents("# new\n" + POND, LAKE)])
def test_held_out_code_that_has_changed_is_said(home: Path, changed: list[Document]) -> None:
    run = run_of(home)
    holes = [Hole("f0.py", "Python", "line", "", POND[:16], POND[16:])]
    holes.append(Hole("f1.py", "Python", "line", "", LAKE[:16], LAKE[16:]))
    reference = write(run, holes)
    with pytest.raises(RunError, match="no longer what it was"):
        choose(Home(home), run, ask(holes_of=reference), lambda _: changed)
