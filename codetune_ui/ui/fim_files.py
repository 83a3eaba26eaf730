"""The box of the FIM Preview tab in which one file is looked for among many thousands.

Not a Gradio drop-down: whose list must be whole, or is one letter behind and breaks when it gets
shorter while it is open (Gradio 6.31).
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.store import Home
from codetune_ui.ui import fim_samples
from codetune_ui.ui.context import fragment

BOX = """
<input role="combobox" aria-label="File" aria-expanded="false" aria-controls="fim-files"
  aria-autocomplete="list" autocomplete="off" spellcheck="false" placeholder="Any file">
<ul role="listbox" id="fim-files" aria-label="Files" hidden></ul>"""
ATTACH = "(window.ctQueue ??= []).push(['files', element, { server }])"


def file_box(home: Home) -> gr.Textbox:
    """Draw the box; return the hidden text box with the path that is chosen, "" for any file."""

    def find_files(asked: Any) -> list[str]:
        return find(home, str(asked["scan"]), str(asked["typed"]))

    fragment(BOX, elem_id="fim-file", js_on_load=ATTACH, server_functions=[find_files])
    return gr.Textbox(visible="hidden", elem_id="fim-path")


def find(home: Home, scan_id: str, typed: str) -> list[str]:
    """Return the first few files of a scan that fit what is typed; none while there is no scan."""
    try:
        return fim_samples.matches(home.scan(scan_id), typed) if scan_id else []
    except CodeTuneError:
        return []
