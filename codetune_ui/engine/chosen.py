"""Which holes an evaluation fills: cut anew, those of another evaluation, the person's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from codetune_ui.core.document import Document
from codetune_ui.core.errors import RunError, SourceError
from codetune_ui.core.evaluation import Request
from codetune_ui.core.holes import HOLE_KINDS, OWN, Hole, Holes, cut_holes, holes_id
from codetune_ui.runs.evaluations import find_evaluation, part_reference
from codetune_ui.runs.own_holes import own_holes
from codetune_ui.runs.store import Home, Run

InTrain = Callable[[str, int, int], bool]


@dataclass(frozen=True)
class Chosen:
    """The code that is looked at. Own holes may stand in files that are not among `documents`.

    documents   held-out files: holes are cut out of them, and they are read as neighbours
    fixed       holes of another evaluation, to be filled as they are; None to cut anew
    own         the person's own
    """

    request: Request
    documents: list[Document]
    fixed: tuple[Hole, ...] | None
    own: tuple[Hole, ...]

    @property
    def all_code(self) -> list[Document]:
        """The files with own holes too, each text once: their names and lines count as well."""
        known = {document.text for document in self.documents}
        more = {hole.text: hole for hole in self.own if hole.text not in known}
        return self.documents + [
            Document(text, hole.path, hole.language, hole.path) for text, hole in more.items()
        ]

    def draw(self, in_train: InTrain) -> Holes:
        """Return the holes that the training code does not have; `SourceError` for none."""
        if self.fixed is None:
            kinds = [kind for kind in self.request.kinds if kind in HOLE_KINDS]
            cut = cut_holes(
                self.documents,
                self.request.holes,
                seed=self.request.seed,
                kinds=kinds,
                in_train=in_train,
            )
        else:
            fair = _unseen(self.fixed, in_train)
            cut = Holes(fair, len(self.fixed) - len(fair))
        own = _unseen(self.own, in_train)
        found = Holes(
            (*cut.found, *own), cut.in_train, tuple(hole for hole in self.own if hole not in own)
        )
        if not found.found:
            raise SourceError(
                "The held-out code has no hole that is not in the training code too.",
                "Choose other kinds of holes, or train with more code held out.",
            )
        return found

    def about(self, holes: Holes) -> dict[str, Any]:
        """Return what an evaluation keeps of this, so that another run can be asked the same."""
        whole = holes.found if self.fixed is None else (*self.fixed, *self.own)
        return {
            "holes_id": holes_id(whole),
            "own_holes": [_kept(hole) for hole in holes.found if hole.kind == OWN],
            "own_in_train": [{"path": one.path, "line": one.line} for one in holes.own_in_train],
        }


def choose(
    home: Home, run: Run, request: Request, held_out: Callable[[Run], list[Document]]
) -> Chosen:
    """Return what is looked at for a request; `RunError` when another's holes are gone."""
    if not request.holes_of:
        own = [one.hole for one in own_holes(home)] if OWN in request.kinds else []
        return Chosen(request, held_out(run), None, tuple(own))
    other = find_evaluation(home, request.holes_of)
    documents = held_out(home.run(part_reference(request.holes_of)[0]))
    fixed = _cut_again(documents, other["items"])
    kept = tuple(Hole(kind=OWN, **values) for values in other["own_holes"])
    if fixed is None or holes_id((*fixed, *kept)) != other["holes_id"]:
        raise RunError(
            f"The held-out code of '{request.holes_of}' is no longer what it was.",
            "Evaluate both runs anew, with the same seed.",
        )
    return Chosen(request, documents, fixed, kept)


def _cut_again(
    documents: Sequence[Document], items: Sequence[dict[str, Any]]
) -> tuple[Hole, ...] | None:
    """Return the holes of an evaluation's items; None where a file is gone."""
    texts = {document.path: document.text for document in documents}
    found = []
    for item in items:
        if item["kind"] == OWN:
            continue
        text, start = texts.get(item["path"]), item["start"]
        if text is None:
            return None
        end = start + len(item["truth"])
        place = item["path"], item["language"], item["kind"]
        found.append(Hole(*place, text[:start], text[start:end], text[end:]))
    return tuple(found)


def _unseen(holes: Sequence[Hole], in_train: InTrain) -> tuple[Hole, ...]:
    return tuple(
        hole
        for hole in holes
        if not in_train(hole.text, len(hole.prefix), len(hole.prefix) + len(hole.middle))
    )


def _kept(hole: Hole) -> dict[str, str]:
    return {
        "path": hole.path,
        "language": hole.language,
        "prefix": hole.prefix,
        "middle": hole.middle,
        "suffix": hole.suffix,
    }
