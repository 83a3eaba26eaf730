"""A benchmark as one page of HTML that needs nothing else: no link, no font, no network.

All code is escaped: an answer that is made of markup shows as its text.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from codetune_ui.core.benchmark import LABELS
from codetune_ui.core.report_page import STYLE, marked

MOST_ITEMS = 500  # tasks that are shown; all of them are in the JSON
HOLDS = {
    "kernel": "held by the kernel",
    "python": "weaker: held by Python alone",
    "no": "not held",
}


def page(found: Mapping[str, Any]) -> str:
    """Return the page of a benchmark, as `core.benchmark` made it."""
    word = str(found.get("verdict", ""))
    tone = word if word in ("better", "worse") else "dim"
    name = escape(found["run"] or found["base_model"])
    title = f'<span class="{tone}">{escape(word.capitalize())}</span> · ' if word else ""
    shown = found["items"][:MOST_ITEMS]
    some = f"The first {len(shown)} of " if len(shown) < len(found["items"]) else "All "
    parts = [
        f"<h1>{title}{escape(found['label'])} · {name}</h1>",
        f"<p>{escape(found['sentence'])}</p>",
        scores_table(found),
        _list("What this does not say", found["not_covered"]),
        references_table(found["references"]),
        _protections(found.get("protections", [])),
        "<h2>Settings</h2>",
        _settings(found),
        f"<h2>{some}{len(found['items'])} tasks</h2>",
        _items(shown),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{name}: {escape(found['label'])}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def scores_table(found: Mapping[str, Any]) -> str:
    """Return each score of base and adapter with its interval, and their difference."""
    both = "verdict" in found
    rows = []
    for name, column in found["scores"].items():
        cells = [LABELS.get(name, name), _within(column["base"])]
        if both:
            cells += [_within(column["adapter"]), _within(column["difference"], "+")]
        cells.append(f"{column['tasks']:,}")
        word = str(found.get("verdict", ""))
        told = name == found["main"] and word in ("better", "worse")
        rows.append(_row(cells, word if told else ""))
    head = ["Score", "Base", *(("Adapter", "Difference") if both else ()), "Tasks"]
    return _table(head, rows)


def references_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the published figures, each with what differs and where it is from."""
    if not rows:
        return ""
    body = [_row([r["model"], f"{r['value']:g}", r["note"], r["source"]]) for r in rows]
    words = (
        "<p class='dim'>Published by others, with other harnesses: a few points mean nothing.</p>"
    )
    return f"<h2>Published figures</h2>{words}" + _table(
        ["Model", "%", "What it is", "Source"], body
    )


def protections_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return what holds a generated program back, as `runs.sandbox` tried it."""
    body = [_row([r["what"], HOLDS[r["holds"]], r["how"]]) for r in rows]
    return _table(["What", "Held", "By"], body)


def _protections(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return ""
    return f"<h2>What held the programs back</h2>{protections_table(rows)}"


def _within(found: Sequence[float] | None, sign: str = "") -> str:
    if found is None:
        return "–"
    mean, low, high = found
    return f"{mean:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(cells: Sequence[object], tone: str = "") -> str:
    shown = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
    return f'<tr class="{tone}">{shown}</tr>' if tone else f"<tr>{shown}</tr>"


def _list(title: str, sentences: Sequence[str]) -> str:
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(s)}</li>' for s in sentences)}</ul>"


def _settings(found: Mapping[str, Any]) -> str:
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(found["created"]))
    rows = [_row(["Set", found["source"]]), _row(["Cut of an answer", found["rule"]])]
    rows.append(_row(["Made", made]))
    if found["truths"]["run"]:
        words = "{passed} of {run} passed".format(**found["truths"])
        rows.append(_row(["True answers, run to see whether they pass", words]))
    for name in ("settings", "model", "file", "versions"):
        rows += [_row([key.replace("_", " "), value]) for key, value in found[name].items()]
    return _table(["Setting", "Value"], rows)


def _items(items: Sequence[Mapping[str, Any]]) -> str:
    both = bool(items) and "adapter" in items[0]
    head = ["Task", "Truth", "Base", *(["Adapter"] if both else [])]
    names = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(_item(item) for item in items)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _item(item: Mapping[str, Any]) -> str:
    truth = str(item["truth"])
    cells = [escape(item["task"]), f"<pre>{escape(truth)}</pre>"]
    cells += [_answers(truth, item[side]) for side in ("base", "adapter") if side in item]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _answers(truth: str, side: Mapping[str, Any]) -> str:
    """Return the first answer of a side, marked where it differs, and how its tests ended."""
    samples = side["samples"]
    first = samples[0]
    passed = [sample["passed"] for sample in samples]
    words = ""
    if None not in passed:
        words = "passed" if passed[0] else f"not passed: {first['why']}"
        words = words if len(passed) == 1 else f"{sum(passed)} of {len(passed)} passed"
    note = f'<p class="dim">{escape(words)}</p>' if words else ""
    return f"<pre>{marked(truth, first['text'])}</pre>{note}"
