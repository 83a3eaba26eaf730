"""Evaluations beside each other, and the person's own holes, as HTML; all texts are escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codetune_ui.core.own_holes import OwnHole
from codetune_ui.ui.code_view import Mark, escape, numbered
from codetune_ui.ui.context import empty
from codetune_ui.ui.evaluate_table import rows
from codetune_ui.ui.evaluate_view import TONES, Sides, bars, percent, scores, verdict, when

Brief = Mapping[str, Any]
MOST_DIFFERENT = 60  # holes shown of a comparison
CONTEXT = 3  # lines around a hole of one's own

NONE_YET = empty("Nothing has been evaluated yet. Choose a run, and press Evaluate.")


def brief(found: Mapping[str, Any], reference: str) -> dict[str, Any]:
    """Return what the lists need of an evaluation."""
    asked = found["settings"]
    return {
        "reference": reference,
        "run": reference.partition("/")[0],
        "created": found["created"],
        "holes": found["holes"],
        "seed": asked["seed"],
        "kinds": list(asked["kinds"]),
        "verdict": found["verdict"],
        "base": found["base"]["exact_match"],
        "adapter": found["adapter"]["exact_match"],
        "holes_id": found.get("holes_id", ""),
    }


def earlier(briefs: Sequence[Brief], shown: str) -> str:
    """Return the evaluations of a run as rows to be opened by a press, the newest first."""
    return "".join(
        f'<button type="button" class="ev-old" data-open="{escape(one["reference"])}" '
        f'aria-pressed="{str(one["reference"] == shown).lower()}">{_line(one)}</button>'
        for one in briefs
    )


def _line(one: Brief) -> str:
    return (
        f"<span>{escape(when(one['created']))}</span>"
        f'<em class="ev-word {TONES[one["verdict"]]}">{escape(one["verdict"])}</em>'
        f"<span>{percent(one['base'])} → {percent(one['adapter'])}</span>"
        f"<span>{escape(_asked(one))}</span>"
    )


def _asked(one: Brief) -> str:
    return f"{one['holes']} holes · seed {one['seed']} · {', '.join(one['kinds'])}"


def choices(briefs: Sequence[Brief], ticked: Sequence[str]) -> str:
    """Return all evaluations with a box each; those that filled the same holes stand together."""
    groups: dict[str, list[Brief]] = {}
    for one in briefs:
        groups.setdefault(one["holes_id"] or one["reference"], []).append(one)
    parts = []
    for group in groups.values():
        title = _asked(group[0])
        lines = "".join(_choice(one, ticked) for one in group)
        parts.append(
            f'<fieldset class="ev-group"><legend>{escape(title)}</legend>{lines}</fieldset>'
        )
    return "".join(parts) or NONE_YET


def _choice(one: Brief, ticked: Sequence[str]) -> str:
    checked = " checked" if one["reference"] in ticked else ""
    order = str(ticked.index(one["reference"]) + 1) if checked else ""
    return (
        '<label class="ev-pick"><input type="checkbox" '
        f'value="{escape(one["reference"])}"{checked}>'
        f"<b>{escape(one['run'])}</b><span>{escape(when(one['created']))}</span>"
        f'<em class="ev-word {TONES[one["verdict"]]}">{escape(one["verdict"])}</em>'
        f"<span>{percent(one['base'])} → {percent(one['adapter'])}</span>"
        f'<span class="ev-nth">{order}</span></label>'
    )


# --- adapter against adapter


def compared(found: Mapping[str, Any]) -> str:
    """Return the second adapter against the first: verdict, bars, scores, and where they differ."""
    old, new = (str(found[side]).partition("/")[0] for side in ("first", "second"))
    if old == new:
        old, new = str(found["first"]), str(found["second"])
    sides = Sides("first", "second", old, new)
    different = [i for i, item in enumerate(found["items"]) if item["won_by"]]
    different.sort(key=lambda i: found["items"][i]["won_by"], reverse=True)
    return (
        f"{verdict(found, sides)}{_left_out(found)}"
        f'<div class="ev-two"><section class="ev-card"><h2>By kind and language</h2>'
        f"{bars(found, sides)}</section>"
        f'<section class="ev-card"><h2>All scores</h2>{scores(found, sides)}</section></div>'
        f"{_different(found, different, sides)}"
    )


def _left_out(found: Mapping[str, Any]) -> str:
    if not found["left_out"]:
        return ""
    text = (
        f"{found['left_out']} of the holes left out: the training code of one of the two has them."
    )
    return f'<p class="ev-note">{escape(text)}</p>'


def _different(found: Mapping[str, Any], places: list[int], sides: Sides) -> str:
    if not places:
        return '<p class="ev-note">On every hole either both are exact, or neither is.</p>'
    names = ("Won by", "Kind", "Where", "Truth", sides.old_name, sides.new_name)
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    labels = {"first": sides.old_name, "second": sides.new_name}
    shown = places[:MOST_DIFFERENT]
    body = rows(found["items"], shown, ("first", "second"), labels, opens=False)
    title = f"Where they differ: {len(places)} hole{'s' if len(places) != 1 else ''}"
    if len(places) > MOST_DIFFERENT:
        title += f", the first {MOST_DIFFERENT}"
    return (
        f'<section class="ev-card ev-table"><h2>{escape(title)}</h2><table><thead><tr>{heads}</tr>'
        f"</thead><tbody>{body}</tbody></table></section>"
    )


def refused(reason: str, first: str, second: str) -> str:
    """Return why two evaluations cannot be compared, and two ways to make it possible."""
    ways = "".join(
        f'<button type="button" class="btn" data-run="{escape(of.partition("/")[0])}" '
        f'data-holes-of="{escape(holes)}">Evaluate {escape(of.partition("/")[0])} on the holes of '
        f"{escape(holes.partition('/')[0])}</button>"
        for of, holes in ((second, first), (first, second))
    )
    return (
        f'<div class="ev-refused" role="alert"><p>{escape(reason)} Adapters are compared on the '
        f"very same holes only.</p><div>{ways}</div></div>"
    )


def trouble(sentence: str) -> str:
    """Return what went wrong, in one sentence."""
    return f'<div class="ev-refused" role="alert"><p>{escape(sentence)}</p></div>'


# --- holes of one's own


def own_list(holes: Sequence[OwnHole]) -> str:
    """Return the kept holes, the newest first, each with a press to remove it."""
    if not holes:
        return empty("You have kept no hole yet.")
    return "".join(_own(own) for own in reversed(holes))


def _own(own: OwnHole) -> str:
    before = "".join(own.prefix.splitlines(keepends=True)[-CONTEXT - 1 :])
    after = "".join(own.suffix.splitlines(keepends=True)[:CONTEXT])
    marks: list[Mark] = [(len(before), len(before) + len(own.middle), "mid")]
    first = own.hole.line - before.count("\n")
    code = numbered(before + own.middle + after, marks, first, own.language)
    where = f"{own.path}:{own.hole.line}"
    return (
        f'<article class="ev-own"><header><b>{escape(where)}</b><span>{escape(own.language)}</span>'
        f'<button type="button" class="mini" data-remove="{escape(own.id)}" '
        f'aria-label="Remove {escape(where)}">Remove</button></header>{code}</article>'
    )
