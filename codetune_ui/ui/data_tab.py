"""The Model & Data tab: a base model, a source of code, and what a scan finds in it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import gradio as gr

from codetune_ui.core.config import DEMO, SETTINGS, Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.presets import PRESETS
from codetune_ui.runs.store import Home
from codetune_ui.ui import choices, corpus, model_view
from codetune_ui.ui.context import ACTION, QUIET, PageContext, fragment, page_head, shown_errors
from codetune_ui.ui.form import remember
from codetune_ui.ui.machine import WATCH, memory_gib
from codetune_ui.ui.model_view import Check
from codetune_ui.ui.source_card import source_card
from codetune_ui.ui.source_view import DATA_SETTINGS, describe_source, source_kind, start_scan
from codetune_ui.ui.words import PRESET_LABELS

# The settings that a model's check lines speak of.
MODEL_SETTINGS = [
    *(s.name for s in SETTINGS.values() if s.group in ("model", "precision")),
    *(
        "max_seq_len",
        "global_batch_rows",
        "micro_batch_rows",
        "lora_rank",
        "lora_targets",
        "lora_dropout",
    ),
]

CORPUS = """
<section class="corpus" data-state="none" aria-label="Corpus">
  <div class="cardh"><h2>Corpus</h2><span class="c-line" role="status"></span>
    <button class="mini c-cancel" hidden>Cancel</button></div>
  <p class="c-hint" hidden></p>
  <p class="c-changed" role="status" hidden><span></span><button class="mini">Undo</button></p>
  <div class="c-body"></div>
  <div class="c-files" hidden>
    <div class="c-tools"><input type="search" class="c-search" placeholder="Filter files…"
      aria-label="Filter files by path, language, split or reason">
      <span class="c-count"></span></div>
    <div class="c-scroll" tabindex="0" role="region" aria-label="Files"><table>
      <thead><tr><th data-sort="path"><button>File</button></th>
      <th data-sort="language"><button>Language</button></th>
      <th data-sort="tokens"><button>Tokens</button></th>
      <th data-sort="side"><button>Split or reason</button></th></tr></thead>
      <tbody></tbody></table></div>
    <button class="mini c-more" hidden>Show more</button>
  </div>
</section>
<div class="c-actions"><button class="btn primary" id="b-scan">Scan</button>
<button class="btn primary" id="b-preview" data-go="fim" hidden>Preview FIM samples</button>
</div>"""
ATTACH = "(window.ctQueue ??= []).push(['corpus', element, { watch, server }])"


class Parts(NamedTuple):
    """The tab's own widgets."""

    preset: gr.Radio
    kind: gr.Radio
    model: gr.HTML
    source: gr.HTML
    scan: gr.Button


def build(page: PageContext) -> None:
    """Draw the tab and wire it."""
    with gr.Row(elem_classes="head"):
        page_head(
            "Model & Data",
            "Pick a base model, point at your code, and see exactly what will be trained on.",
        )
        preset = gr.Radio(
            [(label, name) for name, label in PRESET_LABELS.items()],
            label="Preset",
            value=None,
            scale=0,
            min_width=330,
            interactive=True,
            elem_classes="segctl",
            elem_id="preset",
        )
    with gr.Row(elem_classes="datacards", equal_height=True):
        with gr.Column(elem_classes="card", min_width=380):
            model = _model_card(page)
        with gr.Column(elem_classes="card", min_width=380):
            kind, source = source_card(page)
    scan = gr.Button("Scan now", elem_id="b-scan-now", visible="hidden")
    choice = gr.Textbox(visible="hidden", elem_id="file-choice")
    undo = gr.Textbox(visible="hidden", elem_id="file-choice-undo")
    fragment(
        CORPUS,
        elem_id="corpus",
        elem_classes="grow",
        js_on_load=ATTACH,
        server_functions=_server_functions(page.home),
    )
    _wire_choices(page, choice, undo)
    _wire(page, Parts(preset, kind, model, source, scan))


def _model_card(page: PageContext) -> gr.HTML:
    fragment('<div class="cardh"><h2>Model</h2></div>')
    page.form.add("base_model")
    facts = fragment("", elem_id="model-facts")
    with gr.Accordion("More about the model", open=False, elem_classes="more"):
        for name in ("revision", "family", "left_to_right", "allow_code"):
            page.form.add(name)
    return facts


def _server_functions(home: Home) -> list[Any]:
    """Return what assets/js/data.js calls: a look at the scan, and its cancellation."""

    def look(asked: Any) -> dict[str, Any]:
        return corpus.answer(home, asked)

    def cancel(scan_id: str) -> str:
        try:
            corpus.cancel(home, str(scan_id))
        except CodeTuneError as error:
            return str(error)
        return ""

    return [look, cancel]


def _wire(page: PageContext, parts: Parts) -> None:
    form = page.form
    widgets = form.widgets
    inputs = {*form.blocks, page.current_scan}

    def tell_model(given: dict[Any, Any]) -> str:
        """Inputs: every setting. Output: the model's facts and checks."""
        return describe_model(form.values(given))

    def tell_source(given: dict[Any, Any]) -> tuple[str, Any, Any]:
        """Inputs: every setting, current_scan. Outputs: the note, kind of source, preset."""
        values = form.values(given)
        kind = source_kind(values["source"])
        note = describe_source(page.home, values, given[page.current_scan])
        return note, kind or gr.skip(), shown_preset(values) or None

    def begin(given: dict[Any, Any]) -> str:
        """Inputs: every setting. Output: current_scan."""
        with shown_errors():
            config = form.read(given)
            remember(page.home, config)
            return start_scan(page.home, config).name

    changed = [widgets[name].change for name in dict.fromkeys(MODEL_SETTINGS)]
    quiet = {"trigger_mode": "always_last", **QUIET}
    gr.on([*changed, page.demo.load], tell_model, inputs, parts.model, **quiet)
    gr.on(
        [*(box.change for box in form.blocks), page.current_scan.change, page.demo.load],
        tell_source,
        inputs,
        [parts.source, parts.kind, parts.preset],
        **quiet,
    )
    parts.preset.input(
        lambda name, source: fill(form, name, source),
        [parts.preset, widgets["source"]],
        form.blocks,
        **QUIET,
    )
    parts.scan.click(begin, inputs, page.current_scan, **ACTION)
    page.current_scan.change(None, page.current_scan, js="(id) => CT.scan?.(id)", **ACTION)


def _wire_choices(page: PageContext, choice: gr.Textbox, undo: gr.Textbox) -> None:
    """A press in the table is written into the settings, which the source's note then sees."""
    fields = [page.form.widgets[name] for name in ("force_in", "exclude")]

    def choose(asked: str, force_in: str, exclude: str) -> tuple[str, str, str]:
        """Inputs: what was pressed, force_in, exclude. Outputs: both, and what undoes it."""
        after, before = choices.settle(asked, (force_in, exclude))
        return *after, json.dumps(before)

    choice.change(choose, [choice, *fields], [*fields, undo], **QUIET)


def shown_preset(values: dict[str, Any]) -> str:
    """Return the preset these settings are, "" for none; data it does not name may be any."""
    for name, changes in PRESETS.items():
        decided = [s for s in SETTINGS.values() if s.group != "data" or s.name in changes]
        if all(values.get(s.name) == changes.get(s.name, s.default) for s in decided):
            return name
    return ""


def fill(form: Any, name: str, source: str) -> list[Any]:
    """Return the preset as updates of the form; a source of one's own stays where none is named."""
    updates: list[Any] = form.fill_preset(name)
    if "source" in PRESETS[name] or not source or source == DEMO:
        return updates
    return [
        gr.skip() if setting in DATA_SETTINGS else update
        for setting, update in zip(form.widgets, updates, strict=True)
    ]


def describe_model(values: dict[str, Any]) -> str:
    """Return the model's facts and checks; a setting outside its limits is told on Train."""
    try:
        config = Config.from_dict(values)
    except CodeTuneError as error:
        return model_view.checklist((Check("bad", str(error)),))
    return model_view.render(model_view.look(config, WATCH.look(), memory_gib()))
