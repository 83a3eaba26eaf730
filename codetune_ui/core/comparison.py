"""Adapter against adapter: two evaluations of the same holes, paired hole by hole.

Both must carry the same `holes_id`. A hole that one of them left out, because its own training
code has it too, is left out of the pair and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codetune_ui.core.errors import RunError
from codetune_ui.core.scores import MAIN
from codetune_ui.core.verdict import PHRASES, Comparison, compare

Evaluation = Mapping[str, Any]
Item = Mapping[str, Any]
Pair = tuple[Item, Item]


def name_of(found: Evaluation) -> str:
    """Return what an evaluation is called where several are: RUN/ID.

    >>> name_of({"run": "calm-otter", "id": "20261123-1"})
    'calm-otter/20261123-1'
    """
    return f"{found['run']}/{found['id']}"


def why_not(first: Evaluation, second: Evaluation) -> str:
    """Return why two evaluations cannot be compared, in one sentence; "" when they can."""
    if first.get("holes_id") and first.get("holes_id") == second.get("holes_id"):
        return ""
    a, b = first["settings"], second["settings"]
    reasons = [
        f"{word} {a[name]} against {b[name]}"
        for name, word in (("seed", "seed"), ("holes", "holes"))
        if a[name] != b[name]
    ]
    if list(a["kinds"]) != list(b["kinds"]):
        reasons.append(f"kinds {', '.join(a['kinds'])} against {', '.join(b['kinds'])}")
    reasons = reasons or ["other held-out code"]
    return f"They filled different holes: {'; '.join(reasons)}."


def comparison(first: Evaluation, second: Evaluation) -> dict[str, Any]:
    """Return the second adapter against the first as JSON values; `RunError` for other holes.

    base and adapter of `verdict.Comparison` are called first and second here; `left_out` counts
    the holes that only one of the two evaluations has.
    """
    if reason := why_not(first, second):
        way = f"Evaluate {second['run']} on the holes of {name_of(first)}."
        raise RunError(reason, way)
    pairs, left_out = _pairs(first["items"], second["items"])
    if not pairs:
        raise RunError(
            "No hole is left that neither of the two was trained on.",
            "Compare runs that hold out the same files.",
        )
    seed = int(first["settings"]["seed"])
    whole = _compare(pairs, seed)
    return {
        "first": name_of(first),
        "second": name_of(second),
        "holes_id": first["holes_id"],
        "left_out": left_out,
        "sentence": sentence(whole, first["run"], second["run"]),
        **_named(whole),
        "by_kind": _by(pairs, "kind", seed, whole),
        "by_language": _by(pairs, "language", seed, whole),
        "items": [_item(*pair) for pair in pairs],
    }


def _pairs(first: Sequence[Item], second: Sequence[Item]) -> tuple[list[Pair], int]:
    others = {_key(item): item for item in second}
    pairs = [(item, others[_key(item)]) for item in first if _key(item) in others]
    return pairs, len(first) + len(second) - 2 * len(pairs)


def _key(item: Item) -> tuple[Any, ...]:
    return item["path"], item["kind"], item["start"], item["truth"]


def _compare(pairs: Sequence[Pair], seed: int) -> Comparison:
    scores = [[item["adapter"]["scores"] for item in side] for side in zip(*pairs, strict=True)]
    return compare(scores[0], scores[1], [item["path"] for item, _ in pairs], seed=seed)


def _named(found: Comparison) -> dict[str, Any]:
    values = found.to_dict()
    return {"first_scores": values.pop("base"), "second_scores": values.pop("adapter"), **values}


def _by(pairs: Sequence[Pair], name: str, seed: int, whole: Comparison) -> dict[str, Any]:
    """Return the same comparison for each kind, or each language."""
    keys = dict.fromkeys(str(item[name]) for item, _ in pairs)
    if len(keys) == 1:  # the same as the whole, and an interval takes its time
        return dict.fromkeys(keys, _named(whole))
    return {
        key: _named(_compare([pair for pair in pairs if pair[0][name] == key], seed))
        for key in keys
    }


def _item(first: Item, second: Item) -> dict[str, Any]:
    exact = [item["adapter"]["scores"][MAIN] or 0.0 for item in (first, second)]
    won = "second" if exact[1] > exact[0] else "first" if exact[1] < exact[0] else ""
    kept = ("path", "language", "kind", "line", "start", "before", "truth", "after")
    return {
        **{key: first[key] for key in kept},
        "won_by": won,
        "first": first["adapter"],
        "second": second["adapter"],
    }


def sentence(found: Comparison, first: str, second: str) -> str:
    """Say in one sentence which adapter is better, or that none is."""
    base, adapter, change = found.base[MAIN], found.adapter[MAIN], found.difference[MAIN]
    holes = f"{found.holes} hole{'s' if found.holes != 1 else ''}"
    text = f"{second} {PHRASES[found.verdict]} {first} on the same {holes} of held-out code"
    if base is None or adapter is None or change is None:
        return f"{text}."
    return (
        f"{text}: {100 * adapter:.1f} % exact against {100 * base:.1f} % (95 % interval of the "
        f"difference {100 * change[1]:+.1f} to {100 * change[2]:+.1f} points)."
    )


def summary(found: Mapping[str, Any]) -> list[str]:
    """Return what a terminal shows of a comparison."""
    first, second = str(found["first"]), str(found["second"])
    lines = [str(found["sentence"]), ""]
    lines.append(f"{'exact match of':<22}{'first':>9}{'second':>9}{'holes':>9}")
    for kind, one in found["by_kind"].items():
        sides = [f"{one[side][MAIN]:.3f}" for side in ("first_scores", "second_scores")]
        lines.append(f"{kind:<22}{sides[0]:>9}{sides[1]:>9}{one['holes']:>9}")
    lines += ["", f"first: {first}", f"second: {second}"]
    lines.append(f"Second: {found['wins']} won, {found['ties']} tied, {found['losses']} lost.")
    if found["left_out"]:
        lines.append(f"{found['left_out']} holes left out: only one side could be asked fairly.")
    return lines
