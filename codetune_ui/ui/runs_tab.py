"""The Runs tab: every run with its state and curve, compared, opened, renamed, deleted."""

from __future__ import annotations

import gradio as gr

from codetune_ui.ui.context import PageContext, attach, fragment, page_head

COLUMNS = {  # heading: CSS class of its cells
    "": "",
    "Name": "",
    "State": "",
    "Base model": "wide",
    "Data": "wide",
    "Step": "num",
    "Best held-out loss": "num",
    "Started": "wide",
    "Took": "num",
    "Size": "num wide",
    "Loss": "spark wide",
    "Actions": "",
}

EMPTY = """
<div class="empty" hidden><p>No runs yet.</p>
<button class="btn primary" data-demo id="b-demo">Start the demo run</button></div>"""

COMPARE = """
<div class="chartcard" hidden>
  <div class="ch-h"><b>Loss, smoothed</b><span class="lg"></span>
    <div class="ch-c">dotted: held-out</div></div>
  <div class="plt"></div>
</div>"""


def build(page: PageContext) -> None:  # noqa: ARG001 - a tab's signature
    """Draw the tab: a frame that assets/js/runs.js fills."""
    page_head("Runs", "Tick two to four runs to see their curves over each other.")
    with gr.Column(elem_classes="grow"):
        headings = "".join(
            f'<th class="{kind}" scope="col">{text}</th>' for text, kind in COLUMNS.items()
        )
        table = f'<table class="ct-table"><thead><tr>{headings}</tr></thead><tbody></tbody></table>'
        fragment(
            f'{EMPTY}<div class="runs-some" hidden><div class="tablecard">{table}</div>{COMPARE}'
            "</div>",
            elem_id="runs",
            elem_classes="grow",
            js_on_load=attach("runs"),
        )
