"""The Train tab: the form with its plan before a run, the live view during and after one."""

from __future__ import annotations

import html
from dataclasses import asdict
from typing import Any, NamedTuple

import gradio as gr

from codetune_ui.core.config import SETTINGS
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.setting import GROUP_LABELS
from codetune_ui.core.sweep import variants
from codetune_ui.runs.elsewhere import check_place
from codetune_ui.ui import cards, plan_view, where
from codetune_ui.ui.context import ACTION, QUIET, PageContext, attach, fragment, shown_errors
from codetune_ui.ui.form import HIDDEN, ConfigForm, preset_of, recall, remember
from codetune_ui.ui.outlook import outlook
from codetune_ui.ui.train_start import Wish, change_waiting, start
from codetune_ui.ui.words import PRESET_LABELS

SIMPLE = ("max_steps", "max_seq_len", "learning_rate", "lora_rank", "fim_rate")

TILES = {
    "loss": "Train loss",
    "eval": "Held-out loss",
    "card": "Held-out holes",
    "speed": "Speed",
    "rate": "Learning rate",
    "memory": "Memory",
    "left": "Time left",
}

RUN_HEAD = """
<div class="runhead">
  <div class="ph">
    <h1><span class="rn"></span><em class="pill"></em></h1>
    <p class="r-settings"></p><p class="r-where" hidden></p>
    <p class="r-headline" role="status"></p>
  </div>
  <div class="btns">
    <button class="btn" data-can="stop" data-act="discard">Stop and discard</button>
    <button class="btn stop" data-can="stop" data-act="stop" id="b-stop">Stop and save</button>
    <button class="btn stop" data-can="end" data-act="end" id="b-end">End now</button>
    <button class="btn primary" data-can="start" data-act="start">Start</button>
    <button class="btn primary" data-can="resume" data-act="resume" id="b-resume">Resume</button>
    <button class="btn" data-can="drop" data-act="drop" id="b-drop">Take out of the queue</button>
    <button class="btn" data-can="earlier" data-act="earlier">Start earlier</button>
    <button class="btn" data-can="edit" data-act="edit" id="b-edit">Edit</button>
    <button class="btn" data-can="new" data-act="new" id="b-new">New run</button>
  </div>
</div>
<div class="trouble" hidden><p></p><pre></pre></div>
<div class="lesson" role="status" hidden></div>"""

CHART = """
<div class="chartcard" id="loss-chart">
  <div class="ch-h"><b>Loss</b>
    <span class="lg"><i class="k1"></i>train <i class="k2"></i>smoothed <i class="k3"></i>held-out
      <i class="k4"></i>checkpoint <span class="of-card"><i class="k5"></i>base</span></span>
    <div class="ch-c">
      <label>Smoothing <input type="range" class="sm" min="0" max="98" value="80"></label>
      <button class="mini" data-hold aria-pressed="false">hold</button>
      <button class="mini" data-log aria-pressed="false">log y</button>
      <button class="mini" data-reset>reset view</button>
    </div>
  </div>
  <div class="plt"></div>
  <p class="plt-empty">The curve begins with the first logged step.</p>
</div>"""

LOG = """
<div class="logcard"><div class="ch-h"><b>Log</b><span class="log-path"></span></div>
<div class="log" role="log" tabindex="0" aria-label="Log of the run"></div></div>"""


def build(page: PageContext) -> None:
    """Draw the tab: two faces in one place, CSS shows the one that `html[data-view]` names."""
    with gr.Column(elem_classes="when-form"):
        _build_form(page)
    with gr.Column(elem_classes=["when-run", "grow"]):
        fragment(RUN_HEAD, elem_id="run-head", js_on_load=attach("runHead"))
        fragment(f'<div class="tiles">{_tiles()}</div>', js_on_load=attach("tiles"))
        fragment(CHART, elem_id="chart", elem_classes="grow", js_on_load=attach("lossChart"))
        fragment(LOG, js_on_load=attach("log"))


def _tiles() -> str:
    spark = '<svg viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true"><path/></svg>'
    return "".join(
        f'<div class="tile" data-k="{key}"><span>{label}</span><b></b><em></em>{spark}</div>'
        for key, label in TILES.items()
    )


def _build_form(page: PageContext) -> None:
    with gr.Row(elem_classes="head"):
        fragment(
            '<div class="ph"><h1>Train</h1><p>The plan follows each change. '
            "Training runs in its own process: closing this page does not end it.</p></div>"
        )
        refresh = gr.Button("Look again", elem_id="b-refresh", visible="hidden")
        start = gr.Button(
            "Start", variant="primary", interactive=False, scale=0, min_width=150, elem_id="b-start"
        )
    with gr.Row(elem_classes="trainform"):
        with gr.Column(scale=6, min_width=420):
            with gr.Column(elem_classes="card"):
                heading = fragment(_heading(""))
                with gr.Row(elem_classes="fields"):
                    name = gr.Textbox(
                        label="Run name",
                        info="Empty: two words are chosen.",
                        max_lines=1,
                        max_length=64,
                        elem_id="run-name",
                        interactive=True,
                    )
                    for setting in SIMPLE:
                        page.form.add(setting)
            chosen = where.build()
            with gr.Column(elem_classes="card"):
                shown_cards = cards.build(page)
            with gr.Accordion(
                "Advanced", open=False, elem_id="advanced", elem_classes=["card", "foldcard"]
            ):
                _build_advanced(page)
            varied, values = _build_sweep()
        with gr.Column(scale=4, min_width=320, elem_classes="card"):
            plan = fragment("", elem_id="plan", js_on_load=attach("plan"))
    edited = gr.Textbox(visible="hidden", elem_id="edited")  # the waiting run, "" for a new one
    begun = gr.Textbox(visible="hidden")
    boxes = Boxes(name, varied, values, chosen, edited, begun)
    _wire(page, boxes, refresh, Outputs(heading, plan, start, shown_cards))


class Outputs(NamedTuple):
    """What each look at the form redraws."""

    heading: gr.HTML
    plan: gr.HTML
    start: gr.Button
    cards: gr.HTML


class Boxes(NamedTuple):
    """What a press on Start reads beside the settings, and where it writes the runs' names."""

    name: gr.Textbox
    varied: gr.Dropdown
    values: gr.Textbox
    where: where.Where
    edited: gr.Textbox
    begun: gr.Textbox


def _heading(preset: str, edited: str = "") -> str:
    label = f"{PRESET_LABELS[preset]} preset" if preset else "your own"
    whose = f"Settings of {html.escape(edited)}" if edited else "Settings"
    return f'<div class="cardh"><h2>{whose}</h2><em class="chip">{label}</em></div>'


def _build_advanced(page: PageContext) -> None:
    for group, label in GROUP_LABELS.items():
        if group in ("model", "data"):  # on their own tab
            continue
        elsewhere = (*SIMPLE, *HIDDEN)
        names = [s.name for s in SETTINGS.values() if s.group == group and s.name not in elsewhere]
        fragment(f"<h3>{label}</h3>")
        with gr.Row(elem_classes="fields"):
            for setting in names:
                page.form.add(setting)


def _build_sweep() -> tuple[gr.Dropdown, gr.Textbox]:
    groups = ("model", "data")  # of those several values would be several tasks
    choices = [
        (s.label, s.name)
        for s in SETTINGS.values()
        if s.group not in groups and s.name not in HIDDEN
    ]
    with (
        gr.Accordion(
            "Try several values", open=False, elem_id="sweep", elem_classes=["card", "foldcard"]
        ),
        gr.Row(elem_classes="fields"),
    ):
        varied = gr.Dropdown(
            [("None", ""), *choices],
            value="",
            label="Setting to vary",
            info="One run per value, one after the other.",
            elem_id="varied",
            interactive=True,
        )
        values = gr.Textbox(
            label="Values",
            info="Commas between: 1e-4, 3e-4; semicolons where a value has commas.",
            max_lines=1,
            elem_id="varied-values",
            interactive=True,
        )
    return varied, values


def _wish(form: ConfigForm, boxes: Boxes, given: dict[Any, Any]) -> Wish:
    """Return what the form asks for; of a waiting run only the settings can be changed."""
    config, varied = form.read(given), given[boxes.varied]
    if given[boxes.edited]:
        return Wish(config, {}, None)
    placement = boxes.where.read(given)
    if placement is not None:  # it gives cards of its own
        config = config.replace(cards="")
    several = variants(config, varied, given[boxes.values]) if varied else {}
    return Wish(config, several, placement)


def _wire(page: PageContext, boxes: Boxes, refresh: gr.Button, shown: Outputs) -> None:
    form = page.form

    def look(given: dict[Any, Any]) -> tuple[Any, ...]:
        """Inputs: every setting, current_scan, boxes. Outputs: see `Outputs`."""
        edited = given[boxes.edited]
        values = form.values(given)
        heading = _heading(preset_of(values), edited)
        listed = cards.render(values) if edited or boxes.where.is_here(given) else ""
        try:
            wish = _wish(form, boxes, given)
            for config in wish.configs:
                if wish.placement is None:  # nobody waits for an answer about the cards
                    cards.check(config)
                else:
                    check_place(config, wish.placement)
        except CodeTuneError as error:
            fix = gr.Button("Fix the settings", interactive=False)
            return heading, plan_view.wrong(error), fix, listed
        if not edited:
            remember(page.home, form.read(given))
        found = outlook(
            page.home,
            wish.config,
            given[page.current_scan],
            runs=max(1, len(wish.swept)),
            edited=edited,
            placement=wish.placement,
        )
        button = gr.Button(found.label, interactive=found.ready)
        return heading, plan_view.render(found), button, listed

    def begin(given: dict[Any, Any]) -> tuple[str, str]:
        """Inputs: every setting, current_scan, boxes. Outputs: begun, name (emptied)."""
        name = given[boxes.name].strip() or None
        with shown_errors():
            wish = _wish(form, boxes, given)
            for config in wish.configs:
                check_place(config, wish.placement)
            if edited := given[boxes.edited]:
                return change_waiting(page.home, edited, name, wish), ""
            return ",".join(run.name for run in start(page.home, name, wish)), ""

    def edit(name: str) -> list[Any]:
        """Inputs: edited. Outputs: every setting, name; the form's own ones again at the end."""
        with shown_errors():
            values = asdict(page.home.run(name).config()) if name else recall(page.home)
        return [*form.fill(values), name]

    beside = (boxes.varied, boxes.values, *boxes.where.blocks)
    inputs = {*form.blocks, page.current_scan, *beside, boxes.edited}
    changes = [box.change for box in (*form.blocks, *beside)]
    triggers = [*changes, page.current_scan.change, refresh.click]
    gr.on(triggers, look, inputs, list(shown), trigger_mode="always_last", **QUIET)
    # Not by `load`: with the widgets' own defaults it would overwrite what is about to be recalled.
    page.filled.then(look, inputs, list(shown), **QUIET)
    recalled = boxes.edited.change(edit, boxes.edited, [*form.blocks, boxes.name], **ACTION)
    recalled.then(look, inputs, list(shown), **QUIET)  # what Start says comes after the settings
    started = shown.start.click(begin, {*inputs, boxes.name}, [boxes.begun, boxes.name], **ACTION)
    started.success(None, boxes.begun, js="(names) => CT.begun(names)", **ACTION)
