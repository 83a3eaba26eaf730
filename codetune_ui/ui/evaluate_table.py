"""The table of every hole on the Evaluate tab, page by page; pure, every text in it is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import dedent
from typing import Any

from codetune_ui.core.report_page import marked
from codetune_ui.ui.code_view import Mark, escape, numbered, pane
from codetune_ui.ui.evaluate_view import KINDS

Item = Mapping[str, Any]
Names = tuple[str, str]

SIDES: Names = ("base", "adapter")
WON = {"adapter": "Adapter", "base": "Base", "both": "Both", "neither": "Neither"}
AROUND = 9  # lines of code before and after an opened hole
ORDER = {name: place for place, name in enumerate(("adapter", "second", "base", "first", "both"))}


def won(item: Item, sides: Names = SIDES) -> str:
    """Return who has a hole exactly: one of the sides, both, or neither."""
    if item["won_by"]:
        return str(item["won_by"])
    return "both" if item[sides[0]]["scores"]["exact_match"] else "neither"


def counts(items: Sequence[Item]) -> dict[str, int]:
    """Return how many holes each filter of the table shows; "" is all of them."""
    found = {"": len(items)} | dict.fromkeys(WON, 0)
    for item in items:
        found[won(item)] += 1
    return found


def matching(items: Sequence[Item], by: str = "", kind: str = "") -> list[int]:
    """Return the places of the items that two filters let through."""
    return [
        place
        for place, item in enumerate(items)
        if by in ("", won(item)) and kind in ("", item["kind"])
    ]


def ordered(items: Sequence[Item], places: Sequence[int], sort: str) -> list[int]:
    """Return places sorted by won, kind, where, base or adapter; "-" before it turns it round."""
    name = sort.removeprefix("-")

    def key(place: int) -> tuple[Any, ...]:
        item = items[place]
        where = item["path"], item["line"], item["start"]
        match name:
            case "kind":
                return (list(KINDS).index(item["kind"]) if item["kind"] in KINDS else 9, *where)
            case "where":
                return where
            case "base" | "adapter":
                return (-item[name]["scores"]["edit_similarity"], *where)
            case _:
                return (ORDER.get(won(item), 9), *where)

    return sorted(places, key=key, reverse=sort.startswith("-"))


def filters(items: Sequence[Item], by: str) -> str:
    """Return the buttons that choose by who has a hole exactly."""
    labels = {"": "All", **WON}
    return "".join(
        f'<button type="button" data-won="{name}" aria-pressed="{str(name == by).lower()}">'
        f"{labels[name]} <b>{count}</b></button>"
        for name, count in counts(items).items()
    )


def kinds(items: Sequence[Item]) -> list[tuple[str, str]]:
    """Return the kinds that are there, (value, label), for the list of kinds."""
    there = {item["kind"] for item in items}
    return [("", "All kinds"), *((kind, KINDS[kind]) for kind in KINDS if kind in there)]


def rows(
    items: Sequence[Item],
    places: Sequence[int],
    sides: Names = SIDES,
    labels: Mapping[str, str] = WON,
    *,
    opens: bool = True,
) -> str:
    """Return the table's rows, in the order of `places`; those that open can be pressed.

    labels: what the winners are called.
    """
    found = []
    for place in places:
        item = items[place]
        label = f"Hole {place + 1}, {item['path']} line {item['line']}: show the code around it"
        press = (
            f' data-hole="{place}" tabindex="0" role="button" aria-expanded="false" '
            f'aria-label="{escape(label)}"'
        )
        found.append(f"<tr{press if opens else ''}>{_cells(item, sides, labels)}</tr>")
    return "".join(found)


def _cells(item: Item, sides: Names, labels: Mapping[str, str]) -> str:
    who, kind = won(item, sides), str(KINDS.get(item["kind"], item["kind"]))
    truth, *texts = _moved_left([str(item["truth"]), *(str(item[s]["text"]) for s in sides)])
    path = str(item["path"])
    folder, _, name = path.rpartition("/")
    where = f"{escape(name)}:{item['line']}"
    if folder:
        where += f"<small>{escape(folder)}</small>"
    cells = [
        f'<td><em class="ev-who {who}">{escape(labels[who])}</em></td>',
        f"<td>{escape(kind)}</td>",
        f'<td class="ev-where" title="{escape(path)}">{where}</td>',
        f"<td><pre>{escape(truth)}</pre></td>",
        *(
            f"<td>{_answer(item, side, truth, text)}</td>"
            for side, text in zip(sides, texts, strict=True)
        ),
    ]
    return "".join(cells)


def _moved_left(texts: Sequence[str]) -> list[str]:
    r"""Take away the indentation that all lines of some texts have in common: columns are narrow.

    >>> _moved_left(["    if a:\n        b", "    a"])
    ['if a:\n    b', 'a']
    """
    lines, moved = dedent("\n".join(texts)).split("\n"), []
    for text in texts:
        count = text.count("\n") + 1
        moved.append("\n".join(lines[:count]))
        lines = lines[count:]
    return moved


def _answer(item: Item, side: str, truth: str, text: str) -> str:
    if not text.strip():
        return '<span class="ev-nothing">nothing</span>'
    exact = " exact" if item[side]["scores"]["exact_match"] else ""
    return f'<pre class="{side}{exact}">{marked(truth, text)}</pre>'


# --- one hole, opened


def around(item: Item, text: str | None, names: Names = ("Base", "Adapter")) -> str:
    """Return the code around a hole three times: as it stood, and as both models would have it.

    text: the whole file, where it is still there and still the same; else the lines kept with it.
    """
    before, after = str(item["before"]), str(item["after"])
    if text is not None:
        start, end = item["start"], item["start"] + len(item["truth"])
        before = "".join(text[:start].splitlines(keepends=True)[-AROUND - 1 :])
        after = "".join(text[end:].splitlines(keepends=True)[:AROUND])
    first = item["line"] - before.count("\n")
    shown = [("What stood there", str(item["truth"]), "mid", "", "")]
    for name, side, kind in zip(names, SIDES, ("base", "tuned"), strict=True):
        likeness = item[side]["scores"]["edit_similarity"]
        chip = "exact" if item[side]["scores"]["exact_match"] else f"{likeness:.0%} similar"
        shown.append((name, str(item[side]["text"]), kind, kind, chip))
    panes = []
    for title, fill, mark, kind, chip in shown:
        marks: list[Mark] = [(len(before), len(before) + len(fill), mark)]
        code = numbered(before + fill + after, marks, first, item["language"])
        chip_kind = "ok" if chip == "exact" else ""
        panes.append(pane(title, "", chip, code, kind=kind, chip_kind=chip_kind))
    return f'<div class="ev-around">{"".join(panes)}</div>'
