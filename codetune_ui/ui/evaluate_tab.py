"""The Evaluate tab: is the adapter better, and by how much? The frame that assets/js fills."""

from __future__ import annotations

import gradio as gr

from codetune_ui.core.evaluation import HOLES
from codetune_ui.core.holes import ANY_KIND, OWN
from codetune_ui.core.own_holes import CLOSE, OPEN
from codetune_ui.ui import benchmark_tab
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.context import PageContext, attach, fragment
from codetune_ui.ui.evaluate_view import KINDS

FACES = {"result": "Verdict", "compare": "Compare runs", "own": "Own holes"}
COLUMNS = {  # heading: what it sorts by
    "Won by": "won",
    "Kind": "kind",
    "Where": "where",
    "Truth": "",
    "Base": "base",
    "Adapter": "adapter",
}
TEXT = (
    "Base and adapter fill the same holes in held-out code, which the adapter has never seen. "
    "Is it better, and by how much?"
)
EXAMPLE = f"def total(items):\n    return {OPEN}sum(item.price for item in items){CLOSE}\n"
HOW = (
    f"Write {OPEN} before and {CLOSE} after the piece that a model should fill in. "
    "It is asked of every evaluation in which you choose Your own holes."
)

JOB = """
<section class="ev-job" id="ev-job" role="status" hidden>
  <div class="ev-job-h"><b></b><span class="ev-line"></span>
    <button type="button" class="btn stop" id="b-ev-cancel">Cancel</button></div>
  <span class="bar" aria-hidden="true"><i></i></span><p class="ev-hint" hidden></p>
</section>"""


def build(page: PageContext) -> None:
    """Draw the tab: three faces over one form, filled by evaluate.js; benchmarks folded below."""
    with gr.Column(elem_classes="grow"):
        fragment(
            f"{_head()}{_form()}{JOB}{_result()}{_compare()}{_own()}",
            elem_id="evaluate",
            js_on_load=attach("evaluate"),
        )
    benchmark_tab.build(page)


def _head() -> str:
    faces = "".join(
        f'<button type="button" data-face="{name}" aria-pressed="{str(name == "result").lower()}">'
        f"{label}</button>"
        for name, label in FACES.items()
    )
    return (
        f'<div class="ev-head"><div class="ph"><h1>Evaluate</h1><p>{escape(TEXT)}</p></div>'
        f'<div class="ev-seg" role="group" aria-label="What is shown">{faces}</div></div>'
    )


def _form() -> str:
    kinds = "".join(
        f'<label class="ev-kind"><input type="checkbox" value="{kind}"'
        f"{'' if kind == OWN else ' checked'}><span>{escape(KINDS[kind])}</span></label>"
        for kind in ANY_KIND
    )
    return (
        '<form class="ev-form" id="ev-form"><label class="ev-run">Run'
        '<select id="ev-run"></select></label>'
        f'<label>Holes<input id="ev-count" type="number" min="1" max="10000" value="{HOLES}">'
        '</label><label>Seed<input id="ev-seed" type="number" min="0" value="0"></label>'
        f'<fieldset id="ev-kinds"><legend>Kinds of holes</legend>{kinds}</fieldset>'
        '<button type="submit" class="btn primary" id="b-evaluate" disabled>Evaluate</button>'
        '<p class="ev-why" id="ev-why"></p></form>'
    )


def _result() -> str:
    heads = "".join(
        f'<th scope="col" data-sort="{sort}" aria-sort="none"><button type="button">{name}'
        "</button></th>"
        if sort
        else f'<th scope="col">{name}</th>'
        for name, sort in COLUMNS.items()
    )
    return (
        '<div class="ev-face" data-face="result"><details class="ev-earlier" hidden>'
        '<summary></summary><div id="ev-earlier"></div></details>'
        '<div id="ev-result"></div>'
        '<section class="ev-card ev-table" id="ev-table" hidden><div class="ev-tools">'
        '<h2>Every hole</h2><div class="ev-filters" role="group" aria-label="Exact on"></div>'
        '<select id="ev-of-kind" aria-label="Kind of hole"></select><span class="ev-count"></span>'
        f"</div><table><thead><tr>{heads}</tr></thead><tbody></tbody></table>"
        '<button type="button" class="btn" id="b-ev-more" hidden>Show more</button></section></div>'
    )


def _compare() -> str:
    return (
        '<div class="ev-face" data-face="compare" hidden><section class="ev-card">'
        "<h2>Adapter against adapter</h2>"
        '<p class="ev-note">Tick two or more evaluations that filled the same holes. The one '
        "ticked first is what the others are measured against.</p>"
        '<div id="ev-choices"></div></section><div id="ev-compared"></div></div>'
    )


def _own() -> str:
    return (
        '<div class="ev-face" data-face="own" hidden><form class="ev-card" id="ev-keep">'
        f'<h2>Keep a hole of your own</h2><p class="ev-note" id="ev-how">{escape(HOW)}</p>'
        '<textarea id="ev-text" rows="9" spellcheck="false" aria-label="Code with a marked hole" '
        f'aria-describedby="ev-how" placeholder="{escape(EXAMPLE)}"></textarea>'
        '<div class="ev-keep"><label>File name<input id="ev-path" placeholder="src/basket.py">'
        '</label><button type="submit" class="btn primary" id="b-keep">Keep</button></div></form>'
        '<div id="ev-own"></div></div>'
    )
