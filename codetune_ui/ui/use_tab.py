"""The Use tab: a finished adapter in an editor, or as files for other programs."""

from __future__ import annotations

import json

import gradio as gr

from codetune_ui.ui import use_view
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.context import PageContext, attach, fragment

TEXT = "Your editor completes with what you trained; or take it along as files for other programs."
WHERE = (
    "A new folder, or hub:OWNER/NAME for a private repository on the Hub. "
    "Empty: the run's own folder."
)

SERVING = (
    "A server on this machine answers your editor as you type. Nothing leaves the machine; "
    "whoever asks must know the token."
)
MAKES_ROOM = (
    "A training, evaluation or export that needs the GPU ends the server; "
    "switch it on again afterwards."
)
SHOW = (
    '<button type="button" class="mini" id="b-token" aria-pressed="false" '
    'aria-label="Show the token">Show</button>'
)


def build(page: PageContext) -> None:  # noqa: ARG001 - all of it lives in assets/js
    """Draw the tab: one choice of a run, the editor, the export; filled by use.js."""
    with gr.Column(elem_classes="grow"):
        fragment(f"{_head()}{_editor()}{_export()}", elem_id="use", js_on_load=attach("use"))


def _head() -> str:
    return (
        f'<div class="us-head"><div class="ph"><h1>Use</h1><p>{escape(TEXT)}</p></div>'
        '<label class="us-run">Run<select id="us-run"></select></label></div>'
        '<div class="empty us-none" hidden><p>Nothing is trained yet: a run with an adapter comes '
        'first.</p><button type="button" class="btn" data-go="train">Open Train</button></div>'
    )


def _editor() -> str:
    facts = "".join(
        f'<div class="us-fact"><span>{label}</span><code id="us-{name}"></code>{buttons}</div>'
        for name, label, buttons in (
            ("address", "Address", _copy("address")),
            ("token", "Token", f"{SHOW}{_copy('token')}"),
            ("model", "Model", _copy("model")),
        )
    )
    return (
        '<section class="us-card" id="us-editor"><header class="us-h"><h2>In your editor</h2>'
        '<button type="button" class="us-switch" id="b-serve" role="switch" aria-checked="false">'
        "<i></i><span>Serve to editors</span></button>"
        '<span class="us-state" id="us-state" role="status"></span></header>'
        f'<p class="us-note" id="us-serving">{escape(SERVING)}</p>'
        f'<div id="us-on" hidden><div class="us-facts">{facts}</div>'
        '<div class="us-setup"><div class="us-editors" id="us-editors" role="radiogroup" '
        'aria-label="Editor"></div><div class="us-snippet">'
        '<div class="us-snippet-h"><span>Goes into <b id="us-place"></b></span>'
        '<button type="button" class="mini" id="b-copy-snippet">Copy</button></div>'
        '<div id="us-text"></div><p class="us-note" id="us-hint"></p>'
        '<div class="us-try"><button type="button" class="btn" id="b-try">Test connection</button>'
        '<div id="us-tried" role="status"></div></div></div></div>'
        '<div class="us-asked"><h3>What editors asked last</h3><div id="us-requests"></div></div>'
        f'<p class="us-note">{escape(MAKES_ROOM)}</p></div></section>'
    )


def _copy(name: str) -> str:
    return (
        f'<button type="button" class="mini" data-copy-of="{name}" '
        f'aria-label="Copy the {name}">Copy</button>'
    )


def _export() -> str:
    precisions = escape(json.dumps(use_view.precisions()))
    return (
        '<section class="us-card" id="us-export"><header class="us-h"><h2>Export as files</h2>'
        '<span id="us-standing"></span></header>'
        f'<form id="us-form" data-precisions="{precisions}"><fieldset id="us-formats">'
        f"<legend>Format</legend>{use_view.formats()}</fieldset>"
        '<div class="us-row"><label class="us-quant">Precision<select id="us-quant"></select>'
        f'</label><label class="us-to">Where to<input id="us-to" spellcheck="false" '
        f'autocomplete="off" title="{escape(WHERE)}" aria-describedby="us-where"></label>'
        '<button type="submit" class="btn primary" id="b-export" disabled>Export</button></div>'
        f'<p class="us-note" id="us-where">{escape(WHERE)}</p>'
        '<p class="us-note us-why" id="us-why"></p></form>'
        f"{_ask()}{_job()}"
        '<div id="us-earlier" hidden><h3></h3><div class="us-list"></div></div></section>'
    )


def _ask() -> str:
    return (
        '<div class="us-ask" id="us-ask" role="alertdialog" aria-labelledby="us-asked" hidden>'
        '<p id="us-asked"></p><div><button type="button" class="btn" id="b-us-evaluate" '
        'data-go="eval">Open Evaluate</button>'
        '<button type="button" class="btn" id="b-us-yes"></button>'
        '<button type="button" class="btn" id="b-us-no">Cancel</button></div></div>'
    )


def _job() -> str:
    return (
        '<div class="us-job" id="us-job" role="status" hidden><div class="us-job-h"><b></b>'
        '<span class="us-line"></span>'
        '<button type="button" class="btn stop" id="b-us-cancel">Cancel</button></div>'
        '<span class="bar" aria-hidden="true"><i></i></span>'
        '<p class="us-note us-hint" hidden></p></div>'
    )
