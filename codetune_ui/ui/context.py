"""What every tab is given, and the few pieces of page that all of them use."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.store import Home
from codetune_ui.ui.form import ConfigForm

# A silent redraw: one plain request. Not for handlers that may show a message: without the queue
# Gradio shows no toast.
QUIET: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
}
# A press of a button: goes through the queue, so that `gr.Error` and `gr.Info` are seen.
ACTION: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass
class PageContext:
    """The page under construction. Nothing here changes once the page is built.

    `form` holds one widget per setting, all of them from the start, so that a tab can name the
    widgets of another tab as inputs or outputs before that one is drawn. `current_scan` and
    `current_run` are hidden text boxes: the id of the scan and the name of the run that this
    browser tab looks at ("" for none). `filled` is the event in which an opened page gets its
    settings; what reads the form when the page is opened comes after it: `page.filled.then(…)`.
    """

    home: Home
    form: ConfigForm
    current_scan: gr.Textbox
    current_run: gr.Textbox
    demo: gr.Blocks
    tabs: gr.Tabs
    filled: Dependency

    def on_load(
        self,
        fn: Callable[..., Any],
        inputs: Sequence[Any] | set[Any] | None = None,
        outputs: Sequence[Any] | Any | None = None,
    ) -> Any:
        """Run `fn` each time a browser opens or reloads the page."""
        return self.demo.load(fn, inputs, outputs, **QUIET)


def fragment(markup: str, **options: Any) -> gr.HTML:
    """Place our own HTML. What is not markup in it must have been escaped."""
    options.setdefault("js_on_load", None)
    return gr.HTML(markup, apply_default_css=False, **options)


def attach(name: str) -> str:
    """Return the `js_on_load` that hands an element to the function `name` of assets/js.

    Gradio may run it before the scripts in `head` have come, so the element waits in a queue.
    """
    return f"(window.ctQueue ??= []).push(['{name}', element, watch])"


def page_head(title: str, text: str, **options: Any) -> gr.HTML:
    """Place a tab's heading: a title and one line of plain text."""
    words = f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>"
    return fragment(f'<div class="ph">{words}</div>', **options)


def empty(sentence: str, button: str = "", go: str = "") -> str:
    """Return what a tab shows before it has anything: one sentence, one button to the tab `go`."""
    press = f'<button class="btn" data-go="{go}">{html.escape(button)}</button>' if button else ""
    return f'<div class="empty"><p>{html.escape(sentence)}</p>{press}</div>'


@contextmanager
def shown_errors() -> Iterator[None]:
    """Turn the app's own errors into the page's red message; others are bugs and stay."""
    try:
        yield
    except CodeTuneError as error:
        raise gr.Error(str(error), print_exception=False) from error
