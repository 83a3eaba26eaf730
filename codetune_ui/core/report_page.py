"""An evaluation as one page of HTML that needs nothing else: no link, no font, no network.

The verdict comes first, then differences with their intervals, then every hole. All code is
escaped: a file that is made of markup shows as its text.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rapidfuzz.distance import Levenshtein

from codetune_ui.core.scores import LOWER_IS_BETTER, METRICS

LABELS = {
    "exact_match": "Exact match",
    "edit_similarity": "Edit similarity (Levenshtein)",
    "first_line": "First line right",
    "stop_accuracy": "Ends where the truth ends",
    "parses": "File still parses",
    "identifiers": "Names of this code used",
    "middle_nll_per_char": "Nats per character of the truth (less is better)",
}
WORDS = re.compile(r"\w+|\s|[^\w\s]")
WIDTH, ROW, LEFT = 720, 26, 250  # of a chart, in pixels

STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--dim:#667085;--line:#d5dae2;--page:#fff;--soft:#f5f7fa;
--base:#8a94a6;--good:#0a7d4f;--bad:#b3261e;--mark:#ffd9a8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#98a2b3;--line:#343b48;--page:#14181f;
--soft:#1c222c;--base:#7f8a9c;--good:#4cc38a;--bad:#ff8a80;--mark:#6b4512}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:2rem auto;
max-width:1100px;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}.dim{color:var(--dim)}
.better{color:var(--good)}.worse{color:var(--bad)}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.3rem .5rem;text-align:left;vertical-align:top}
td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid}
pre{margin:0;white-space:pre-wrap;word-break:break-word;font:12px/1.4 ui-monospace,monospace}
pre i{color:var(--dim);font-style:normal}mark{background:var(--mark);color:inherit}
del{color:var(--bad);text-decoration:line-through}
mark::before,mark::after,del::before,del::after{position:absolute;width:1px;height:1px;
overflow:hidden;clip-path:inset(50%);white-space:nowrap}
mark::before{content:" [not in the truth: "}del::before{content:" [missing: "}
mark::after,del::after{content:"] "}
#holes{table-layout:fixed}#holes td{overflow-wrap:anywhere}
#holes th:nth-child(-n+2){width:6rem}#holes th:nth-child(3){width:14%}
#holes th:nth-child(4){width:32%}
#holes tbody tr:nth-child(odd){background:var(--soft)}
svg text{font:12px system-ui,sans-serif;fill:var(--ink)}
"""

# Sorts the table of holes by the column that is pressed, and back when it is pressed again.
SCRIPT = """
document.querySelectorAll('#holes th button').forEach((button, column) => {
  let up = false;
  button.addEventListener('click', () => {
    up = !up;
    const body = document.querySelector('#holes tbody');
    const key = row => row.cells[column].dataset.key;
    const rows = [...body.rows].sort((a, b) =>
      key(a).localeCompare(key(b), 'en', {numeric: true}) * (up ? 1 : -1));
    body.append(...rows);
  });
});
"""


def page(found: Mapping[str, Any]) -> str:
    """Return the page of an evaluation, as `core.evaluation` made it."""
    word = str(found["verdict"])
    tone = word if word in ("better", "worse") else "dim"
    settings, run = found["settings"], escape(found["run"])
    parts = [
        f'<h1><span class="{tone}">{escape(word.capitalize())}</span> · {run}</h1>',
        f"<p>{escape(found['sentence'])}</p>",
        f"<p>{found['wins']} holes won, {found['ties']} tied, {found['losses']} lost by exact "
        f'match.</p><p class="dim">{escape(_about(found))}</p>',
        "<h2>Adapter against base</h2>",
        _scores(found),
        "<h2>Difference in exact match, with 95 % intervals</h2>",
        _chart(found, "exact_match"),
        "<h2>Difference in nats per character of the truth (left is better)</h2>",
        _chart(found, "middle_nll_per_char"),
        _price(found.get("forgetting")),
        f"<h2>All {found['holes']} holes</h2>",
        _holes(found["items"]),
        f'<p class="dim">Seed {settings["seed"]}, greedy, at most {settings["line_tokens"]} tokens '
        f"in a line and {settings['block_tokens']} in a block. "
        "<mark>Marked</mark> is what the truth has not, <del>struck</del> what the answer lacks."
        "</p>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{run}: {escape(word)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}<script>{SCRIPT}</script></body></html>\n"
    )


def _about(found: Mapping[str, Any]) -> str:
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(found["created"]))
    checked = (
        f"{found['left_out_in_train']} holes were left out because the training code has them too."
        if found["training_code_read"]
        else "The training code was not there to be compared with."
    )
    base = found["base_model"]
    return f"Base {base}; {found['held_out_files']} held-out files; {checked} {made}."


# --- figures


def _scores(found: Mapping[str, Any]) -> str:
    rows = []
    for name in METRICS:
        base, adapter, change = (found[part][name] for part in ("base", "adapter", "difference"))
        within = (
            "–" if change is None else f"{change[0]:+.3f} ({change[1]:+.3f} to {change[2]:+.3f})"
        )
        tone = _tone(name, change)
        rows.append(
            f'<tr><td>{LABELS[name]}</td><td class="n">{_figure(base)}</td>'
            f'<td class="n">{_figure(adapter)}</td><td class="n {tone}">{within}</td></tr>'
        )
    head = "<tr><th>Score</th><th>Base</th><th>Adapter</th><th>Difference (95 %)</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _tone(name: str, change: Sequence[float] | None) -> str:
    """Return the class of a difference: only one whose interval excludes 0 has a colour."""
    if change is None or change[1] <= 0 <= change[2]:
        return ""
    return "better" if (change[0] > 0) != (name in LOWER_IS_BETTER) else "worse"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _chart(found: Mapping[str, Any], name: str) -> str:
    """Draw a line of difference and interval for all holes, each kind and each language."""
    named = [("all holes", found), *found["by_kind"].items()]
    if len(found["by_language"]) > 1:
        named += found["by_language"].items()
    rows = [(label, part, part["difference"][name]) for label, part in named]
    drawn = [change for _, _, change in rows if change is not None]
    most = max([abs(value) for change in drawn for value in change], default=0.0) * 1.1 or 0.1
    middle, half = LEFT + (WIDTH - LEFT) / 2, (WIDTH - LEFT) / 2
    height = ROW * len(rows) + ROW
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
        f'style="max-width:100%" aria-label="{escape(LABELS[name])}">',
        f'<line x1="{middle}" x2="{middle}" y1="0" y2="{height - ROW}" stroke="var(--dim)"/>',
    ]
    for index, (label, part, change) in enumerate(rows):
        y = ROW * index + ROW / 2
        text = f"{label} ({part['holes']})"
        parts.append(f'<text x="0" y="{y + 4}">{escape(text)}</text>')
        if change is not None:
            parts.append(_interval(name, change, y, middle, half / most))
    ends = ((LEFT, "start", -most), (middle, "middle", 0.0), (WIDTH, "end", most))
    for x, anchor, value in ends:
        parts.append(f'<text x="{x}" y="{height - 8}" text-anchor="{anchor}">{value:+.2f}</text>')
    return "".join(parts) + "</svg>"


def _interval(name: str, change: Sequence[float], y: float, zero: float, scale: float) -> str:
    mean, low, high = (round(zero + value * scale, 1) for value in change)
    tones = {"better": "var(--good)", "worse": "var(--bad)", "": "var(--base)"}
    colour = tones[_tone(name, change)]
    title = f"{change[0]:+.3f} ({change[1]:+.3f} to {change[2]:+.3f})"
    return (
        f'<g stroke="{colour}" fill="{colour}"><title>{title}</title>'
        f'<rect x="{min(zero, mean)}" y="{y - 6}" width="{abs(mean - zero):.1f}" height="12" '
        f'fill-opacity=".25" stroke="none"/><line x1="{low}" x2="{high}" y1="{y}" y2="{y}" '
        f'stroke-width="2"/><circle cx="{mean}" cy="{y}" r="4"/></g>'
    )


def _price(price: Mapping[str, Any] | None) -> str:
    """Return what the training has cost on general code, by language; nothing for nothing."""
    if not price:
        return ""
    rows = [("all", price), *price["by_language"].items()]
    body = "".join(_price_row(name, part) for name, part in rows)
    head = "<th>Language</th><th>Holes</th><th>Base</th><th>Adapter</th><th>Difference (95 %)</th>"
    return (
        "<h2>The price: nats per character of general code (less is better)</h2>"
        f"<p>{escape(price['sentence'])} It is measured on {price['files']} short files that come "
        "with CodeTune UI and are not of this code base.</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _price_row(name: str, part: Mapping[str, Any]) -> str:
    nats = part["nats_per_char"]
    mean, low, high = nats["difference"]
    tone = _tone("middle_nll_per_char", nats["difference"])
    return (
        f'<tr><td>{escape(name)}</td><td class="n">{part["holes"]}</td>'
        f'<td class="n">{_figure(nats["base"])}</td><td class="n">{_figure(nats["adapter"])}</td>'
        f'<td class="n {tone}">{mean:+.3f} ({low:+.3f} to {high:+.3f})</td></tr>'
    )


# --- holes


def _holes(items: Sequence[Mapping[str, Any]]) -> str:
    names = ("Won by", "Kind", "Where", "Truth", "Base", "Adapter")
    head = "".join(f'<th><button type="button">{name}</button></th>' for name in names)
    body = "".join(_hole(item) for item in items)
    return f'<table id="holes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _hole(item: Mapping[str, Any]) -> str:
    truth = str(item["truth"])
    where = f"{item['path']}:{item['line']}"
    context = (
        f"<pre><i>{escape(item['before'])}</i><b>{escape(truth)}</b>"
        f"<i>{escape(item['after'])}</i></pre>"
    )
    won = item["won_by"] or ("both" if item["base"]["scores"]["exact_match"] else "–")
    cells = [(won, escape(won)), (item["kind"], escape(item["kind"])), (where, escape(where))]
    cells.append((truth, context))
    for side in ("base", "adapter"):
        likeness = item[side]["scores"]["edit_similarity"]
        cells.append((f"{likeness:.4f}", f"<pre>{marked(truth, item[side]['text'])}</pre>"))
    row = "".join(f'<td data-key="{escape(str(key))}">{shown}</td>' for key, shown in cells)
    return f"<tr>{row}</tr>"


def marked(truth: str, answer: str) -> str:
    """Return an answer, escaped, with what the truth has not marked, and what it lacks struck.

    Words are compared whole: half a word in common says nothing.

    >>> marked("a = b", "a = <b>")
    'a = <mark>&lt;</mark>b<mark>&gt;</mark>'
    >>> marked("total(left)", "total(right)")
    'total(<del>left</del><mark>right</mark>)'
    """
    wanted, given = WORDS.findall(truth), WORDS.findall(answer)
    parts = []
    for step in Levenshtein.opcodes(wanted, given):
        lacks = "".join(wanted[step.src_start : step.src_end])
        has = "".join(given[step.dest_start : step.dest_end])
        if step.tag == "equal":
            parts.append(escape(has))
            continue
        parts.append(f"<del>{escape(lacks)}</del>" if lacks else "")
        parts.append(f"<mark>{escape(has)}</mark>" if has else "")
    return "".join(parts)
