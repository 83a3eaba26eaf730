"""What the Playground shows of a filled hole, as HTML; pure, and every text in it is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from rapidfuzz.distance import Levenshtein

from codetune_ui.core.completion import Timings
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.ui.code_view import Mark, copy_button, escape, numbered, pane, side_by_side
from codetune_ui.ui.context import empty
from codetune_ui.ui.play_holes import Hole, Known

WORD = re.compile(r"\w+|\s+|[^\w\s]")  # what is compared: whole names, not letters
BEFORE, AFTER = 12, 10  # lines of context shown around the fill

Kind = Literal["base", "tuned"]


@dataclass(frozen=True)
class Side:
    """One model's fill: not begun (no text), being written, or done (with timings)."""

    kind: Kind
    subtitle: str
    text: str | None = None
    timings: Timings | None = None
    mode: str = ""

    @property
    def done(self) -> bool:
        """Say whether all of it is there."""
        return self.timings is not None


def render(hole: Hole, sides: Sequence[Side], known: Known) -> str:
    """Return the models' panes side by side, and the truth below where one is known."""
    truth = known.truth if sides and all(side.done for side in sides) else ""
    panes = [_pane(hole, side, _other(side, sides), known) for side in sides]
    if len(panes) == 1:
        panes.append(NO_ADAPTER)
    return side_by_side(*panes) + (_truth(truth, known.path) if truth else "")


def _pane(hole: Hole, side: Side, other: str | None, known: Known) -> str:
    title = "Base" if side.kind == "base" else "Adapter"
    chip, chip_kind = _chip(side, known)
    if side.text is None:
        body = '<div class="hint">Waits for the model.</div>'
        return pane(title, side.subtitle, chip, body, kind=side.kind)
    return pane(
        title,
        side.subtitle,
        chip,
        _in_context(hole, side, other, known.language),
        kind=side.kind,
        chip_kind=chip_kind,
        footer=_footer(side),
    )


def _chip(side: Side, known: Known) -> tuple[str, str]:
    if side.text is None:
        return "waiting", ""
    if not side.done:
        return "writing", side.kind
    if side.mode == "ltr":
        return "left to right only", ""
    if not known.truth:
        return ("nothing to add", "") if not side.text else ("", "")
    if side.text.strip() == known.truth.strip():
        return "exact match", "ok"
    return f"{edit_similarity(side.text, known.truth):.0%} similar", ""


def edit_similarity(fill: str, truth: str) -> float:
    """Return 1 for the same text, 0 for nothing in common (edits ÷ the longer length).

    >>> edit_similarity("abcd", "abcx")
    0.75
    """
    return float(Levenshtein.normalized_similarity(fill.strip(), truth.strip()))


def _in_context(hole: Hole, side: Side, other: str | None, language: str) -> str:
    text = side.text or ""
    before = "".join(hole.prefix.splitlines(keepends=True)[-BEFORE:])
    after = "".join(hole.suffix.splitlines(keepends=True)[:AFTER])
    first = hole.first_line - before.count("\n")
    marks = _marks(text, other, side.kind, len(before))
    return numbered(before + text + after, marks, first, language)


def _marks(text: str, other: str | None, kind: Kind, at: int) -> list[Mark]:
    """Mark the fill, and in it more strongly what the other model did not write."""
    if other is None or other == text:
        return [(at, at + len(text), kind)]
    mine, theirs = (WORD.findall(whole) for whole in (text, other))
    marks: list[Mark] = []
    matcher = SequenceMatcher(None, mine, theirs, autojunk=False)
    for what, first, last, _, _ in matcher.get_opcodes():
        length = len("".join(mine[first:last]))
        if length:
            marks.append((at, at + length, kind if what == "equal" else f"{kind} diff"))
        at += length
    return marks


def _other(side: Side, sides: Sequence[Side]) -> str | None:
    """Return the other model's whole text, once both are done."""
    others = [found.text for found in sides if found is not side]
    return others[0] if others and all(found.done for found in sides) else None


def _footer(side: Side) -> str:
    if side.timings is None:
        return f"<span>{len(side.text or ''):,} characters</span>"
    timings = side.timings
    facts = [
        f"{timings.tokens:,} token{'s' if timings.tokens != 1 else ''}",
        f"{timings.ms_first_token:,.0f} ms to first token",
        f"{timings.ms_total:,.0f} ms",
    ]
    if timings.tokens_per_s:
        facts.append(f"{timings.tokens_per_s:,.0f} tokens/s")
    return "".join(f"<span>{fact}</span>" for fact in facts) + copy_button(side.text or "")


def _truth(truth: str, path: str) -> str:
    where = f"<span>{escape(path)}</span>" if path else ""
    return (
        '<div class="truth"><b>What stood there</b>'
        f"<code>{escape(truth)}</code>{where}{copy_button(truth)}</div>"
    )


NO_ADAPTER = pane(
    "Adapter",
    "",
    "",
    empty("Nothing is trained on this base yet.", "Open Train", "train"),
    kind="tuned",
)

NOTHING_YET = empty("Press Fill the hole, or take another hole from the held-out files.")


def waiting(seconds: float, model: str) -> str:
    """Return what is shown while the model server starts."""
    spent = f" {seconds:.0f} s" if seconds >= 2 else ""
    return f'<div class="loading" role="status">{empty(f"Loading {model} …{spent}")}</div>'


def trouble(error: CodeTuneError) -> str:
    """Return what is wrong and the way out; with the way to Train when a run holds the GPU."""
    held = "is using the GPU" in error.message
    button, go = ("Open Train", "train") if held else ("", "")
    return f'<div class="trouble" role="alert">{empty(str(error), button, go)}</div>'
