"""A small evaluation made by hand, for those who show one."""

from __future__ import annotations

from typing import Any

from codetune_ui.core.evaluation import Filled, Request, evaluation
from codetune_ui.core.holes import Hole
from codetune_ui.core.scores import Answer, score

ABOUT = {
    "id": "20261123-1",
    "run": "calm-otter",
    "created": 1795000000,
    "base_model": "demo",
    "family": "starcoder",
    "held_out_files": 2,
    "left_out_in_train": 1,
    "training_code_read": True,
    "seconds": 1.0,
}


def filled(truth: str, base: str, adapter: str, path: str = "src/pond.py") -> Filled:
    hole = Hole(path, "Python", "line", "def depth():\n    ", truth, "\n")
    answers = Answer(base, True, 3), Answer(adapter, True, 4)
    known = frozenset({"floor_of"})
    scores = [
        score(hole, answer, known, nll) for answer, nll in zip(answers, (0.5, 0.25), strict=True)
    ]
    return Filled(hole, *answers, *scores)


def made(*some: Filled) -> dict[str, Any]:
    return evaluation(some, Request(run="calm-otter", holes=len(some), kinds=("line",)), ABOUT)
