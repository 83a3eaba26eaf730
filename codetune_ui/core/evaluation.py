"""One evaluation as a plain value: what was asked, every hole with both answers, the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from codetune_ui.core.holes import HOLE_KINDS, ONE_LINE, Hole, HoleKind
from codetune_ui.core.scores import Answer, Scores
from codetune_ui.core.verdict import Comparison, compare, sentence

HOLES = 200
LINE_TOKENS = 64  # the most that is written into a hole in a line, by either side
BLOCK_TOKENS = 64
SHOWN_LINES = 3  # of code before and after a hole


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asks for: which run, how many holes of which kinds, drawn by which seed."""

    run: str
    holes: int = HOLES
    seed: int = 0
    kinds: tuple[HoleKind, ...] = HOLE_KINDS
    holes_of: str = ""
    """RUN/ID of another evaluation whose very holes are filled; then the rest is that one's."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"kinds": list(self.kinds)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Request:
        """Read what `to_dict` wrote."""
        return cls(**{**values, "kinds": tuple(values["kinds"])})


@dataclass(frozen=True)
class Filled:
    """A hole with the answers and scores of both sides."""

    hole: Hole
    base: Answer
    adapter: Answer
    base_scores: Scores
    adapter_scores: Scores


def most_tokens(kind: HoleKind) -> int:
    """Return how many tokens either side may write into a hole of a kind."""
    return LINE_TOKENS if kind in ONE_LINE else BLOCK_TOKENS


def evaluation(
    filled: Sequence[Filled],
    request: Request,
    about: Mapping[str, Any],
    price: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the whole evaluation as JSON values; `about` says what else is worth keeping.

    price: what the training has cost on general code, as `core.probe` has it.
    """
    whole = _compare(filled, request)
    return {
        **about,
        "settings": request.to_dict()
        | {"line_tokens": LINE_TOKENS, "block_tokens": BLOCK_TOKENS, "temperature": 0},
        "sentence": sentence(whole),
        **whole.to_dict(),
        "by_kind": _by(filled, request, lambda hole: hole.kind),
        "by_language": _by(filled, request, lambda hole: hole.language),
        "forgetting": price,
        "items": [_item(one) for one in filled],
    }


def _compare(filled: Sequence[Filled], request: Request) -> Comparison:
    sides = [one.base_scores for one in filled], [one.adapter_scores for one in filled]
    return compare(*sides, [one.hole.path for one in filled], seed=request.seed)


def _by(
    filled: Sequence[Filled], request: Request, name: Callable[[Hole], str]
) -> dict[str, dict[str, object]]:
    """Return the same comparison for each part of the holes, in order of their first."""
    found = dict.fromkeys(name(one.hole) for one in filled)
    return {
        key: _compare([one for one in filled if name(one.hole) == key], request).to_dict()
        for key in found
    }


def _item(one: Filled) -> dict[str, Any]:
    hole = one.hole
    exact = [scores["exact_match"] or 0.0 for scores in (one.adapter_scores, one.base_scores)]
    return {
        "path": hole.path,
        "language": hole.language,
        "kind": hole.kind,
        "line": hole.line,
        "start": len(hole.prefix),
        "before": _last_lines(hole.prefix),
        "truth": hole.middle,
        "after": _first_lines(hole.suffix),
        "won_by": "adapter" if exact[0] > exact[1] else "base" if exact[0] < exact[1] else "",
        "base": _side(one.base, one.base_scores),
        "adapter": _side(one.adapter, one.adapter_scores),
    }


def _side(answer: Answer, scores: Scores) -> dict[str, Any]:
    rounded = {name: None if score is None else round(score, 4) for name, score in scores.items()}
    return asdict(answer) | {"scores": rounded}


def _last_lines(text: str) -> str:
    return "\n".join(text.split("\n")[-SHOWN_LINES - 1 :])


def _first_lines(text: str) -> str:
    return "\n".join(text.split("\n")[: SHOWN_LINES + 1])


def summary(found: Mapping[str, Any]) -> list[str]:
    """Return what a terminal shows of an evaluation: the sentence, then a table."""
    lines = [str(found["sentence"])]
    if price := found.get("forgetting"):
        lines.append(str(price["sentence"]))
    lines += ["", f"{'':<22}{'base':>9}{'adapter':>9}{'difference':>12}"]
    for name, change in found["difference"].items():
        sides = [_figure(found[side][name]) for side in ("base", "adapter")]
        mean, low, high = change or (None, None, None)
        within = f"   {_figure(low, '+')} to {_figure(high, '+')}" if change else ""
        lines.append(f"{name:<22}{sides[0]:>9}{sides[1]:>9}{_figure(mean, '+'):>12}{within}")
    lines += ["", f"{'exact match of':<22}{'base':>9}{'adapter':>9}{'holes':>12}"]
    for kind, part in found["by_kind"].items():
        sides = [_figure(part[side]["exact_match"]) for side in ("base", "adapter")]
        lines.append(f"{kind:<22}{sides[0]:>9}{sides[1]:>9}{part['holes']:>12}")
    won = f"Exact match: {found['wins']} won, {found['ties']} tied, {found['losses']} lost."
    return [*lines, "", won]


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"
