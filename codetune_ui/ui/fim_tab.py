"""The FIM Preview tab: real samples of the scanned code, as the model will be taught them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block

from codetune_ui.core.config import SETTINGS, Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import fim_samples, fim_tokens, fim_view
from codetune_ui.ui.context import ACTION, QUIET, PageContext, attach, fragment
from codetune_ui.ui.fim_files import file_box
from codetune_ui.ui.fim_samples import RECIPE_SETTINGS, Deck
from codetune_ui.ui.form import CHOICE_LABELS

MODES = [("As drawn", "drawn"), ("PSM", "psm"), ("SPM", "spm"), ("Left to right", "ltr")]
WIDTHS = {  # of the settings tried out here, beside the rates
    **{"span": 180, "span_mix": 400, "fit": 150, "loss_on": 130},
    **{"repo_context": 180, "context_tokens": 150, "seed": 90},
}
RATES = ("fim_rate", "spm_rate")
ONLY_WHILE = {"span_mix": ("span", "mixed"), "context_tokens": ("repo_context", "neighbours")}


@dataclass(frozen=True)
class Toolbar:
    """The tab's own widgets: what is tried out, and which sample is looked at."""

    settings: dict[str, Block]
    mode: gr.Radio
    file: gr.Textbox
    number: gr.Number

    @property
    def blocks(self) -> list[Block]:
        """All of them."""
        return [*self.settings.values(), self.mode, self.file, self.number]


@dataclass(frozen=True)
class Tokens:
    """The table of tokens, its page, and the buttons that turn it."""

    table: gr.HTML
    page: gr.Number
    turns: dict[str, gr.Button]


def build(page: PageContext) -> None:
    """Draw the tab and wire it."""
    with gr.Row(elem_classes="head"):
        fragment(
            '<div class="ph"><h1>FIM Preview</h1><p>Your own code as the model reads it, token '
            "for token. Amber is what it learns.</p></div>"
        )
        with gr.Row(elem_classes="btns fim-head"):
            file = file_box(page.home)
            use = gr.Button("Use these settings", scale=0, min_width=160, elem_id="b-use")
            following = gr.Button(
                "Next sample", variant="primary", scale=0, min_width=130, elem_id="b-next"
            )
    toolbar = _toolbar(file)
    view = fragment("", elem_id="fim", elem_classes="grow", js_on_load=attach("fim"))
    tokens = _tokens()
    refresh = gr.Button("Look again", elem_id="b-fim-refresh", visible="hidden")
    _wire(page, toolbar, following, refresh, view, tokens)
    _wire_settings(page, toolbar, use)


def _toolbar(file: gr.Textbox) -> Toolbar:
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
        settings: dict[str, Block] = {name: _rate(name) for name in RATES}
        settings |= {name: _choice(name, width) for name, width in WIDTHS.items()}
        number = gr.Number(1, label="Sample", precision=0, visible="hidden", elem_id="fim-number")
    return Toolbar(settings, mode, file, number)


def _rate(name: str) -> Block:
    about = SETTINGS[name]
    return gr.Slider(
        about.low or 0,
        about.high or 1,
        about.default,
        step=0.05,
        label=about.label,
        scale=1,
        min_width=150,
        buttons=[],
        interactive=True,
        elem_id=f"fim-{name}",
    )


def _choice(name: str, width: int) -> Block:
    """Return a list of a setting's choices, or a number or a line to type where it has none."""
    about = SETTINGS[name]
    other, needed = ONLY_WHILE.get(name, ("", ""))
    shared: dict[str, Any] = {
        "value": about.default,
        "label": about.label,
        "scale": 0,
        "min_width": width,
        "interactive": True,
        "elem_id": f"fim-{name}",
        "visible": not other or SETTINGS[other].default == needed or "hidden",
    }
    if about.choices:
        choices = [(CHOICE_LABELS.get(value, value), value) for value in about.choices]
        return gr.Dropdown(choices, **shared)
    if about.kind is int:
        return gr.Number(precision=0, **shared)
    return gr.Textbox(max_lines=1, **shared)


def _tokens() -> Tokens:
    with gr.Accordion("Tokens: ids, loss and positions", open=False, elem_id="fim-mask"):
        with gr.Row(elem_classes="btns fim-turn"):
            turns = {
                name: gr.Button(name, scale=0, min_width=130, size="sm")
                for name in ("Earlier", "Later", "To the middle")
            }
        table = fragment("", elem_id="fim-table")
        page = gr.Number(1, label="Page", precision=0, visible="hidden")
    return Tokens(table, page, turns)


def _wire(
    page: PageContext,
    toolbar: Toolbar,
    following: gr.Button,
    refresh: gr.Button,
    view: gr.HTML,
    tokens: Tokens,
) -> None:
    form = page.form

    def asked(given: dict[Any, Any]) -> Asked:
        wanted = form.values(given) | {k: given[box] for k, box in toolbar.settings.items()}
        number = int(given[toolbar.number] or 1)
        scan, path = given[page.current_scan], given[toolbar.file] or ""
        return Asked(page.home, scan, wanted, given[toolbar.mode], path, number)

    def look(given: dict[Any, Any]) -> tuple[str, str, int]:
        """Inputs: every setting, current_scan, the toolbar. Outputs: view, table, page."""
        return (*draw(asked(given)), 1)

    def turn(given: dict[Any, Any], by: int) -> tuple[str, int]:
        """Inputs: as above, and the page. Outputs: table, page."""
        return draw_tokens(asked(given), int(given[tokens.page] or 1) + by if by else 0)

    inputs = {*form.blocks, *toolbar.blocks, page.current_scan}
    elsewhere = [form.widgets[name] for name in RECIPE_SETTINGS if name not in toolbar.settings]
    watched = [*toolbar.blocks, *elsewhere, form.widgets["base_model"]]
    changes = [box.change for box in watched]
    gr.on(
        [*changes, page.current_scan.change, refresh.click],
        look,
        inputs,
        [view, tokens.table, tokens.page],
        trigger_mode="always_last",
        **QUIET,
    )
    for name, by in (("Earlier", -1), ("Later", 1), ("To the middle", 0)):
        tokens.turns[name].click(
            partial(turn, by=by), inputs | {tokens.page}, [tokens.table, tokens.page], **QUIET
        )
    page.current_scan.change(
        lambda: ("", 1),
        None,
        [toolbar.file, toolbar.number],
        js="() => window.CT?.anyFile?.()",
        **QUIET,
    )
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
    for name, (other, needed) in ONLY_WHILE.items():
        deciding, shown = toolbar.settings[other], toolbar.settings[name]
        deciding.change(partial(_visible, needed=needed), deciding, shown, **QUIET)


def _visible(value: str, needed: str) -> Any:
    """Inputs: a setting. Outputs: one that counts only while the first has a certain value."""
    return gr.update(visible=value == needed or "hidden")


@dataclass(frozen=True)
class Asked:
    """What is looked at: settings by name, an order or "drawn", a path or "", a number from 1."""

    home: Home
    scan_id: str
    values: dict[str, Any]
    mode: str = "drawn"
    path: str = ""
    number: int = 1


def draw(asked: Asked) -> tuple[str, str]:
    """Return the view and the first page of tokens for what is asked; errors become sentences."""
    try:
        deck = _deck(asked)
    except CodeTuneError as error:
        return fim_view.trouble(error), ""
    if isinstance(deck, str):
        return deck, ""
    chosen = fim_view.pick(deck, asked.mode, asked.number)
    return (
        fim_view.render(deck, chosen, asked.mode),
        fim_tokens.token_table(chosen.sample, deck.recipe),
    )


def draw_tokens(asked: Asked, page: int) -> tuple[str, int]:
    """Return one page of the tokens and its number; page 0 is where the middle begins."""
    try:
        deck = _deck(asked)
    except CodeTuneError:
        return "", 1  # the view says it
    if isinstance(deck, str):
        return "", 1
    sample = fim_view.pick(deck, asked.mode, asked.number).sample
    page = fim_tokens.clip(sample, page or fim_tokens.page_of_middle(sample))
    return fim_tokens.token_table(sample, deck.recipe, page), page


def _deck(asked: Asked) -> Deck | str:
    """Return the samples, or what to show while there are none."""
    scan = asked.home.scan(asked.scan_id) if asked.scan_id else None
    if scan is None:
        return fim_view.NO_SCAN
    if _reading(scan):
        return fim_view.WAITING
    config = Config.from_dict(asked.values)
    return fim_samples.deck(scan, config, fim_samples.resolve(scan, asked.path))


def _reading(scan: Run) -> bool:
    state = scan.state()
    return state in ACTIVE or state == "created"
