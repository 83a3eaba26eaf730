"""The Model & Data tab: a base model, a source of code, and what a scan finds in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from codetune_ui.core.config import DEMO, SETTINGS, Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.presets import PRESETS
from codetune_ui.core.source import FILES
from codetune_ui.runs.store import Home
from codetune_ui.ui import corpus, model_view
from codetune_ui.ui.context import ACTION, QUIET, PageContext, fragment, page_head, shown_errors
from codetune_ui.ui.form import remember
from codetune_ui.ui.machine import WATCH, memory_gib
from codetune_ui.ui.model_view import Check
from codetune_ui.ui.source_view import (
    DATA_SETTINGS,
    DEMO_KIND,
    FILE,
    FOLDER,
    HUB,
    describe_source,
    source_kind,
    start_scan,
)
from codetune_ui.ui.uploads import keep
from codetune_ui.ui.words import PRESET_LABELS

KINDS = [("Demo code", DEMO_KIND), ("Folder", FOLDER), ("File", FILE), ("Hub dataset", HUB)]
FIRST_VALUE = {DEMO_KIND: DEMO, FOLDER: "", FILE: "", HUB: "hub:"}
PLACES = {  # kind: label and note of the field, and an example
    DEMO_KIND: ("Source code", "", ""),
    FOLDER: ("Folder", "Nothing leaves this machine.", "/home/me/work/payments"),
    FILE: (
        "File",
        "A path, or an upload: .zip, .jsonl, .json, .parquet, .txt",
        "/home/me/code.zip",
    ),
    HUB: ("Hub dataset", "hub:OWNER/NAME, or hub:OWNER/NAME@SPLIT; read as it streams", ""),
}
# The settings that a model's check lines speak of.
MODEL_SETTINGS = [
    *(s.name for s in SETTINGS.values() if s.group in ("model", "precision")),
    *("max_seq_len", "micro_batch_rows", "lora_rank", "lora_targets", "lora_dropout"),
]

CORPUS = """
<section class="corpus" data-state="none" aria-label="Corpus">
  <div class="cardh"><h2>Corpus</h2><span class="c-line" role="status"></span>
    <button class="mini c-cancel" hidden>Cancel</button></div>
  <p class="c-hint" hidden></p>
  <div class="c-body"></div>
  <div class="c-files" hidden>
    <div class="c-tools"><input type="search" class="c-search" placeholder="Filter files…"
      aria-label="Filter files by path, language, split or reason">
      <span class="c-count"></span></div>
    <div class="c-scroll" tabindex="0" role="region" aria-label="Files"><table>
      <thead><tr><th>File</th><th>Language</th><th>Tokens</th><th>Split or reason</th></tr></thead>
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
    upload: gr.UploadButton
    table: gr.Row
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
            kind, upload, table, source = _source_card(page)
    scan = gr.Button("Scan now", elem_id="b-scan-now", visible="hidden")
    fragment(
        CORPUS,
        elem_id="corpus",
        elem_classes="grow",
        js_on_load=ATTACH,
        server_functions=_server_functions(page.home),
    )
    _wire(page, Parts(preset, kind, upload, table, model, source, scan))


def _model_card(page: PageContext) -> gr.HTML:
    fragment('<div class="cardh"><h2>Model</h2></div>')
    page.form.add("base_model")
    facts = fragment("", elem_id="model-facts")
    with gr.Accordion("More about the model", open=False, elem_classes="more"):
        for name in ("revision", "family", "left_to_right"):
            page.form.add(name)
    return facts


def _source_card(page: PageContext) -> tuple[gr.Radio, gr.UploadButton, gr.Row, gr.HTML]:
    with gr.Row(elem_classes="c-kind"):
        fragment('<div class="cardh"><h2>Data</h2></div>')
        kind = gr.Radio(
            KINDS,
            value=DEMO_KIND,
            show_label=False,
            label="Kind of source",
            interactive=True,
            elem_classes="segctl",
            elem_id="source-kind",
            scale=0,
            min_width=360,
        )
    page.form.widgets["source"].visible = False  # until a source other than the demo is named
    page.form.add("source")
    upload = gr.UploadButton(
        "Upload a file…",
        file_types=list(FILES),
        size="sm",
        visible=False,
        elem_id="b-upload",
        scale=0,
    )
    with gr.Row(visible=False, elem_classes="fields") as table:
        page.form.add("data_column")
        page.form.add("data_dir")
    note = fragment("", elem_id="source-note")
    with gr.Row(elem_classes="fields"):
        page.form.add("include")
        page.form.add("exclude")
    with gr.Accordion("More about the data", open=False, elem_classes="more"):
        page.form.add("max_documents")
        page.form.add("held_out_share")
    return kind, upload, table, note


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
    parts.kind.input(FIRST_VALUE.get, parts.kind, widgets["source"], **QUIET)
    shown = [widgets["source"], parts.upload, parts.table, widgets["data_dir"]]
    parts.kind.change(show_kind, parts.kind, shown, **QUIET)
    parts.upload.upload(
        lambda path: _kept(page.home, path), parts.upload, widgets["source"], **ACTION
    )
    parts.scan.click(begin, inputs, page.current_scan, **ACTION)
    page.current_scan.change(None, page.current_scan, js="(id) => CT.scan?.(id)", **ACTION)


def show_kind(kind: str) -> tuple[Any, ...]:
    """Return updates that show what this kind of source asks for."""
    label, note, example = PLACES[kind]
    return (
        gr.Textbox(visible=kind != DEMO_KIND, label=label, info=note, placeholder=example),
        gr.UploadButton(visible=kind == FILE),
        gr.Row(visible=kind in (FILE, HUB)),
        gr.Textbox(visible=kind == HUB),
    )


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


def _kept(home: Home, path: str) -> str:
    with shown_errors():
        return str(keep(home, Path(path)))
