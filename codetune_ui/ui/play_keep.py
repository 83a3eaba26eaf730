"""Keep as a test hole: what is in the Playground's editor, with what should stand in the hole."""

from __future__ import annotations

import json
import time
from typing import Any

import gradio as gr

from codetune_ui.core.own_holes import own_hole
from codetune_ui.runs.own_holes import keep
from codetune_ui.runs.store import Home
from codetune_ui.ui.context import ACTION, PageContext, shown_errors
from codetune_ui.ui.play_holes import Known, find_hole

KEPT = "Kept. It is asked in every evaluation in which you choose Your own holes."
KNOWN_ALREADY = "This hole is kept already."


def build(page: PageContext, editor: gr.Code, known: gr.Textbox) -> None:
    """Draw the button. Its script asks what should stand in the hole, or takes the selection."""
    press = gr.Button("Keep as a test hole", size="sm", elem_id="b-keep-hole")
    asked = gr.Textbox(visible="hidden", elem_id="play-keep")

    def on_keep(text: str, kept_known: str, answer: str) -> str:
        """Inputs: editor, known, asked. Outputs: asked (emptied)."""
        with shown_errors():
            said = keep_hole(page.home, text or "", kept_known or "", answer or "")
        if said:
            gr.Info(said)
        return ""

    press.click(
        on_keep,
        [editor, known, asked],
        asked,
        js="(text, known, asked) => CT.keepHole(text, known)",
        **ACTION,
    )


def keep_hole(home: Home, text: str, kept_known: str, answer: str) -> str:
    """Keep a hole, and return what is said of it; "" when the person thought better of it.

    answer: JSON of the script, {"truth": what should stand there, "text": the code with the
    marker where the selection was, or "" for the editor's own}; no truth at all is no wish.
    """
    given: dict[str, Any] = json.loads(answer)
    if given.get("truth") is None:
        return ""
    hole = find_hole(given.get("text") or text)
    path = Known.read(kept_known, text).path
    own = own_hole(hole.prefix, given["truth"], hole.suffix, path=path, created=time.time())
    return KEPT if keep(home, own) else KNOWN_ALREADY
