"""The Playground tab: a hole in code, filled by base and adapter side by side."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.client import server_state, stop_server
from codetune_ui.runs.paths import with_whole_paths
from codetune_ui.runs.store import Home
from codetune_ui.ui import play_keep, play_view
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.context import ACTION, QUIET, PageContext, attach, fragment, shown_errors
from codetune_ui.ui.play_fill import Presses, Wish, fill, run_choices, server_note
from codetune_ui.ui.play_holes import EXAMPLE, MARKER, Known, draw_sample, find_hole, neighbours_of

GREEDY, SAMPLED = "Greedy", "Sampled"
ONE_LINE, TO_THE_END = "One line", "To its end"
AT_ONCE = 4  # browser tabs that fill at the same time; the server takes them one by one
HEAD = (
    '<div class="ph"><h1>Playground</h1><p>One hole, two models. Put '
    f"<code>{escape(MARKER)}</code> where the fill should go, then press <kbd>Ctrl</kbd> "
    "<kbd>Enter</kbd>.</p></div>"
)
EDITORS = {"c", "cpp", "css", "dockerfile", "html", "javascript", "json", "jinja2", "latex"}
EDITORS |= {"markdown", "python", "r", "shell", "sql", "typescript", "yaml"}


@dataclass(frozen=True)
class Parts:
    """The tab's widgets."""

    editor: gr.Code
    run: gr.Dropdown
    mode: gr.Radio
    length: gr.Radio
    temperature: gr.Slider
    max_tokens: gr.Slider
    known: gr.Textbox
    note: gr.HTML
    free: gr.Button
    out: gr.HTML


def build(page: PageContext) -> None:
    """Draw the tab and wire it."""
    with gr.Row(elem_classes="head"):
        fragment(HEAD)
        with gr.Row(elem_classes="btns play-head"):
            run = gr.Dropdown(
                [("Base model only", "")],
                value=None,
                show_label=False,
                container=False,
                interactive=True,
                min_width=220,
                elem_id="play-run",
            )
            another = gr.Button("Another hole", scale=0, min_width=130, elem_id="b-hole")
    with gr.Row(elem_classes="playrow"):
        with gr.Column(scale=1, min_width=320):
            editor = gr.Code(
                EXAMPLE,
                language="python",
                label="Code with a hole",
                lines=16,
                max_lines=16,
                elem_id="editor",
                interactive=True,
                buttons=["copy"],
            )
        with gr.Column(scale=0, min_width=270, elem_classes="card side"):
            mode = _choice([GREEDY, SAMPLED], "Mode", "play-mode")
            length = _choice([ONE_LINE, TO_THE_END], "Write", "play-length")
            temperature, max_tokens = _sampling()
            note = fragment("", elem_id="play-note")
            free = gr.Button("Free its memory", size="sm", elem_id="b-free", visible="hidden")
            known = gr.Textbox(visible="hidden", elem_id="play-known")
            play_keep.build(page, editor, known)
            press = gr.Button("Fill the hole", variant="primary", elem_id="b-fill")
    refresh = gr.Button("Look again", elem_id="b-play-refresh", visible="hidden")
    out = fragment(
        play_view.NOTHING_YET, elem_id="out", elem_classes="grow", js_on_load=attach("play")
    )
    parts = Parts(editor, run, mode, length, temperature, max_tokens, known, note, free, out)
    _wire_fill(page, parts, press)
    _wire_choices(page, parts, another, refresh)


def _choice(choices: list[str], label: str, elem_id: str) -> gr.Radio:
    return gr.Radio(
        choices,
        value=choices[0],
        label=label,
        interactive=True,
        elem_classes="segctl",
        elem_id=elem_id,
    )


def _sampling() -> tuple[gr.Slider, gr.Slider]:
    slim: dict[str, Any] = {"interactive": True, "min_width": 120, "buttons": []}
    temperature = gr.Slider(
        0.05, 1.5, 0.4, step=0.05, label="Temperature", elem_id="play-temperature", **slim
    )
    max_tokens = gr.Slider(8, 512, 64, step=8, label="Max tokens", elem_id="play-tokens", **slim)
    return temperature, max_tokens


def _wire_fill(page: PageContext, parts: Parts, press: gr.Button) -> None:
    presses = Presses()

    def on_fill(given: dict[Any, Any], request: gr.Request) -> Iterator[str]:
        """Inputs: the tab's widgets, every setting. Outputs: out."""
        with shown_errors():
            wish = read_wish(page, parts, given)
        session = str(request.session_hash)
        cancel = presses.begin(session)
        try:
            yield from fill(page.home, wish, cancel)
        finally:  # also when the page is closed: Gradio then closes this generator
            presses.end(session, cancel)

    asked: set[Block] = {parts.editor, parts.run, parts.mode, parts.length, parts.known}
    press.click(
        on_fill,
        {*asked, parts.temperature, parts.max_tokens, *page.form.blocks},
        parts.out,
        trigger_mode="multiple",  # a press while one is being written ends that one
        concurrency_limit=2 * AT_ONCE,
        **ACTION,
    ).then(
        lambda given: tell(page.home, config_of(page, given, given[parts.run])),
        {parts.run, *page.form.blocks},
        [parts.note, parts.free],
        **QUIET,
    )


def _wire_choices(page: PageContext, parts: Parts, another: gr.Button, refresh: gr.Button) -> None:
    def on_look(given: dict[Any, Any]) -> tuple[Any, ...]:
        """Inputs: run, every setting. Outputs: run, note, free."""
        choices = run_choices(page.home)
        names = [name for _, name in choices]
        # The newest run is what one came to try, unless another one was chosen.
        chosen = given[parts.run] if given[parts.run] in names else names[0]
        config = config_of(page, given, chosen)
        return gr.Dropdown(choices=choices, value=chosen), *tell(page.home, config)

    def on_choice(given: dict[Any, Any]) -> tuple[Any, ...]:
        """Inputs: run, every setting. Outputs: note, free."""
        return tell(page.home, config_of(page, given, given[parts.run]))

    def on_free(given: dict[Any, Any]) -> tuple[Any, ...]:
        """Inputs: run, every setting. Outputs: note, free."""
        with shown_errors():
            stop_server(page.home)
        return on_choice(given)

    def on_another(run: str, scan_id: str) -> tuple[Any, str, str]:
        """Inputs: run, current_scan. Outputs: editor, known, out."""
        with shown_errors():
            sample = draw_sample(page.home, run or "", scan_id, random.Random(secrets.randbits(64)))
        language = sample.language if sample.language in EDITORS else None
        editor = gr.Code(sample.text, language=language, label=sample.path)
        return editor, sample.known(), play_view.NOTHING_YET

    chosen = {parts.run, *page.form.blocks}
    told = [parts.note, parts.free]
    refresh.click(on_look, chosen, [parts.run, *told], **QUIET)
    parts.run.input(on_choice, chosen, told, **QUIET)
    parts.free.click(on_free, chosen, told, **ACTION)
    another.click(
        on_another,
        [parts.run, page.current_scan],
        [parts.editor, parts.known, parts.out],
        **ACTION,
    )


def read_wish(page: PageContext, parts: Parts, given: dict[Any, Any]) -> Wish:
    """Return what is asked for; raise `CodeTuneError` when it cannot be."""
    text = given[parts.editor] or ""
    run = given[parts.run] or ""
    sampled = given[parts.mode] == SAMPLED
    known = Known.read(given[parts.known] or "", text)
    config = base_of(page, given, run)
    return Wish(
        hole=find_hole(text),
        known=known,
        config=config,
        run=run,
        max_tokens=int(given[parts.max_tokens]),
        temperature=float(given[parts.temperature]) if sampled else 0.0,
        seed=secrets.randbits(31) if sampled else None,  # the same luck for both models
        one_line=given[parts.length] == ONE_LINE,
        path=known.path if run and config.repo_context != "none" else "",
        extra=neighbours_of(page.home, run, known.path) if run else (),
        context_tokens=config.neighbour_tokens if run else None,
    )


def base_of(page: PageContext, given: dict[Any, Any], run: str) -> Config:
    """Return the settings that name the base: a run's own, else the form's."""
    return page.home.run(run).config() if run else with_whole_paths(page.form.read(given))


def config_of(page: PageContext, given: dict[Any, Any], run: str | None) -> Config | None:
    """Return the same for a look in passing, None when the form is half filled in."""
    try:
        return base_of(page, given, run or "")
    except CodeTuneError:
        return None


def tell(home: Home, config: Config | None) -> tuple[Any, ...]:
    """Return the line above the button, and whether there is memory to free."""
    words = server_note(home, config) if config else ""
    loaded = server_state(home) is not None
    return f'<p class="note">{escape(words)}</p>', gr.Button(visible=True if loaded else "hidden")
