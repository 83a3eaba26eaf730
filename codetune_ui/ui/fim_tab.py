"""The FIM Preview tab: real samples of the scanned code, as the model will be taught them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from codetune_ui.core.config import SETTINGS, Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import fim_samples, fim_view
from codetune_ui.ui.context import ACTION, QUIET, PageContext, attach, fragment
from codetune_ui.ui.fim_samples import RECIPE_SETTINGS
from codetune_ui.ui.form import CHOICE_LABELS

ANY_FILE = ("Any file", "")
MOST_FILES = 500  # in the list; another path can be typed
MODES = [("As drawn", "drawn"), ("PSM", "psm"), ("SPM", "spm"), ("Left to right", "ltr")]
SHARED = ("span", "fim_rate", "spm_rate", "seed")  # settings that are tried out here


@dataclass(frozen=True)
class Toolbar:
    """The tab's own widgets: what is tried out, and which sample is looked at."""

    settings: dict[str, Block]
    mode: gr.Radio
    file: gr.Dropdown
    number: gr.Number

    @property
    def blocks(self) -> list[Block]:
        """All of them."""
        return [*self.settings.values(), self.mode, self.file, self.number]


def build(page: PageContext) -> None:
    """Draw the tab and wire it."""
    with gr.Row(elem_classes="head"):
        fragment(
            '<div class="ph"><h1>FIM Preview</h1><p>Your own code as the model reads it, token '
            "for token. Amber is what it learns.</p></div>"
        )
        with gr.Row(elem_classes="btns fim-head"):
            file = gr.Dropdown(
                [ANY_FILE],
                value="",
                show_label=False,
                container=False,
                allow_custom_value=True,
                interactive=True,
                min_width=220,
                elem_id="fim-file",
            )
            use = gr.Button("Use these settings", scale=0, min_width=160, elem_id="b-use")
            following = gr.Button(
                "Next sample", variant="primary", scale=0, min_width=130, elem_id="b-next"
            )
    toolbar = _toolbar(file)
    view = fragment("", elem_id="fim", elem_classes="grow", js_on_load=attach("fim"))
    with gr.Accordion("Ids and loss mask", open=False, elem_id="fim-mask"):
        table = fragment("")
    refresh = gr.Button("Look again", elem_id="b-fim-refresh", visible="hidden")
    _wire(page, toolbar, following, refresh, [view, table])
    _wire_settings(page, toolbar, use)


def _toolbar(file: gr.Dropdown) -> Toolbar:
    default = {name: SETTINGS[name].default for name in SHARED}
    rate: dict[str, Any] = {"step": 0.05, "scale": 1, "min_width": 150, "buttons": []}
    with gr.Row(elem_classes="toolbar"):
        mode = gr.Radio(
            MODES,
            value="drawn",
            label="Order",
            scale=0,
            min_width=330,
            interactive=True,
            elem_classes="segctl",
            elem_id="fim-mode",
        )
        choices = [(CHOICE_LABELS[value], value) for value in SETTINGS["span"].choices]
        settings: dict[str, Block] = {
            "span": gr.Dropdown(
                choices,
                value=default["span"],
                label="Holes",
                scale=0,
                min_width=190,
                interactive=True,
                elem_id="fim-span",
            ),
            "fim_rate": gr.Slider(
                0, 1, default["fim_rate"], label="FIM rate", interactive=True, **rate
            ),
            "spm_rate": gr.Slider(
                0, 1, default["spm_rate"], label="SPM rate", interactive=True, **rate
            ),
            "seed": gr.Number(
                default["seed"],
                label="Seed",
                precision=0,
                scale=0,
                min_width=90,
                interactive=True,
                elem_id="fim-seed",
            ),
        }
        number = gr.Number(1, label="Sample", precision=0, visible="hidden", elem_id="fim-number")
    return Toolbar(settings, mode, file, number)


def _wire(
    page: PageContext,
    toolbar: Toolbar,
    following: gr.Button,
    refresh: gr.Button,
    shown: list[Block],
) -> None:
    form = page.form

    def look(given: dict[Any, Any]) -> tuple[str, str]:
        """Inputs: every setting, current_scan, the toolbar. Outputs: view, table."""
        wanted = form.values(given) | {k: given[box] for k, box in toolbar.settings.items()}
        return draw(
            page.home,
            given[page.current_scan],
            wanted,
            given[toolbar.mode],
            given[toolbar.file] or "",
            int(given[toolbar.number] or 1),
        )

    def list_files(scan_id: str) -> Any:
        """Inputs: current_scan. Outputs: file."""
        return gr.Dropdown(choices=files(page.home, scan_id))

    inputs = {*form.blocks, *toolbar.blocks, page.current_scan}
    elsewhere = [form.widgets[name] for name in RECIPE_SETTINGS if name not in SHARED]
    watched = [*toolbar.blocks, *elsewhere, form.widgets["base_model"]]
    changes = [box.change for box in watched]
    gr.on(
        [*changes, page.current_scan.change, refresh.click],
        look,
        inputs,
        shown,
        trigger_mode="always_last",
        **QUIET,
    )
    listed = [page.current_scan.change, refresh.click]
    gr.on(listed, list_files, page.current_scan, toolbar.file, **QUIET)
    page.current_scan.change(lambda: ("", 1), None, [toolbar.file, toolbar.number], **QUIET)
    following.click(lambda number: (number or 0) + 1, toolbar.number, toolbar.number, **QUIET)


def _wire_settings(page: PageContext, toolbar: Toolbar, use: gr.Button) -> None:
    """The form's settings come here when they change there; back they go at a press."""
    mine = list(toolbar.settings.values())
    theirs = [page.form.widgets[name] for name in toolbar.settings]
    for own, other in zip(mine, theirs, strict=True):
        other.change(lambda value: value, other, own, **QUIET)

    def hand_over(*values: Any) -> tuple[Any, ...]:
        """Inputs: the tab's settings. Outputs: the same settings of the form."""
        gr.Info("The form has these settings now.")
        return values

    use.click(hand_over, mine, theirs, **ACTION)


def draw(
    home: Home, scan_id: str, values: dict[str, Any], mode: str, path: str, number: int
) -> tuple[str, str]:
    """Return the view and the table of tokens for what is asked; errors become sentences."""
    try:
        scan = home.scan(scan_id) if scan_id else None
        if scan is None:
            return fim_view.NO_SCAN, ""
        if _reading(scan):
            return fim_view.WAITING, ""
        deck = fim_samples.deck(scan, Config.from_dict(values), path)
    except CodeTuneError as error:
        return fim_view.trouble(error), ""
    chosen = fim_view.pick(deck, mode, number)
    return (
        fim_view.render(deck, chosen, mode),
        fim_view.token_table(chosen.sample, deck.recipe),
    )


def files(home: Home, scan_id: str) -> list[tuple[str, str]]:
    """Return the choices of the file list: any file, and the first few by name."""
    try:
        found = fim_samples.paths(home.scan(scan_id)) if scan_id else []
    except CodeTuneError:
        found = []
    return [ANY_FILE, *((path, path) for path in found[:MOST_FILES])]


def _reading(scan: Run) -> bool:
    state = scan.state()
    return state in ACTIVE or state == "created"
