"""The Data card of the Model & Data tab: which source, and what is asked of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from codetune_ui.core.config import DEMO
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.source import FILES
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Home
from codetune_ui.ui.context import ACTION, QUIET, PageContext, fragment, shown_errors
from codetune_ui.ui.source_view import DEMO_KIND, FILE, FOLDER, GIT, HUB, with_another
from codetune_ui.ui.uploads import keep

HUB_EXAMPLE = "hub:smangrul/hf-stack-v1"
KINDS = [
    *(("Demo", DEMO_KIND), ("Folder", FOLDER), ("Git", GIT), ("File", FILE)),
    ("Hub", HUB),
]
FIRST_VALUE = {DEMO_KIND: DEMO, FOLDER: "", GIT: "https://", FILE: "", HUB: HUB_EXAMPLE}
PLACES = {  # kind: label and note of the field, and an example
    DEMO_KIND: ("Source code", "", ""),
    FOLDER: (
        "Folder",
        "Nothing leaves this machine. Of a git checkout, what git tracks.",
        "/home/me/payments",
    ),
    GIT: (
        "Git repository",
        "A URL, https or ssh; its newest state is fetched into the cache.",
        "git@host:team/app.git",
    ),
    FILE: (
        "File",
        "A path, or an upload: .zip, .tar.gz, .jsonl, .json, .parquet, .txt",
        "/home/me/code.zip",
    ),
    HUB: (
        "Hub dataset",
        f"{HUB_EXAMPLE} (the guide's), hub:OWNER/NAME or hub:OWNER/NAME@SPLIT; read as it streams",
        HUB_EXAMPLE,
    ),
}
HUB_FIELDS = ("data_config", "data_dir")
MORE = (
    ("secrets", "near_duplicates"),
    ("force_in", "languages"),
    ("licences", "held_out_after"),
    ("max_documents", "held_out_share"),
)


class SourceCard(NamedTuple):
    """What other parts of the tab read or write: the kind of source, and the line below it."""

    kind: gr.Radio
    note: gr.HTML


class Hidden(NamedTuple):
    """What only some kinds of source show."""

    upload: gr.UploadButton
    table: gr.Row


class Another(NamedTuple):
    """The fields that add one more source."""

    row: gr.Row
    place: gr.Textbox
    weight: gr.Number
    add: gr.Button


def source_card(page: PageContext) -> SourceCard:
    """Draw the card and wire what only concerns its own fields."""
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
        for name in HUB_FIELDS:
            page.form.widgets[name].visible = False
            page.form.add(name)
    note = fragment("", elem_id="source-note")
    with gr.Row(elem_classes="fields"):
        page.form.add("include")
        page.form.add("exclude")
    with gr.Accordion("More about the data", open=False, elem_classes="more"):
        for pair in MORE:
            with gr.Row(elem_classes="fields"):
                for name in pair:
                    page.form.add(name)
        another = _another_source()
    parts = SourceCard(kind, note)
    _wire(page, parts, Hidden(upload, table), another)
    return parts


def _another_source() -> Another:
    with gr.Row(elem_classes="fields another") as row:
        place = gr.Textbox(
            label="Another source",
            info="A folder, a file, a git URL or a Hub dataset.",
            max_lines=1,
            interactive=True,
            elem_id="another-place",
        )
        weight = gr.Number(
            1.0,
            label="Weight",
            info="How often an epoch shows its files.",
            interactive=True,
            elem_id="another-weight",
        )
        add = gr.Button("Add", size="sm", scale=0, min_width=70, elem_id="b-another")
    return Another(row, place, weight, add)


def _wire(page: PageContext, card: SourceCard, hidden: Hidden, more: Another) -> None:
    source = page.form.widgets["source"]
    hub_fields = [page.form.widgets[name] for name in HUB_FIELDS]
    card.kind.input(FIRST_VALUE.get, card.kind, source, **QUIET)
    card.kind.change(
        show_kind, card.kind, [source, hidden.upload, hidden.table, *hub_fields], **QUIET
    )
    hidden.upload.upload(lambda path: _kept(page.home, path), hidden.upload, source, **ACTION)
    look = gr.Button("Look at offers", elem_id="b-offers", visible="hidden")
    look.click(
        lambda scan_id: offered(page.home, scan_id),
        page.current_scan,
        [page.form.widgets[name] for name in ("data_column", "data_config")],
        **QUIET,
    )
    adding = [source, more.place, more.weight]
    more.add.click(add_source, adding, adding, **ACTION)


def offered(home: Home, scan_id: str) -> list[Any]:
    """Return updates that let one pick a column and a configuration, as the last scan saw them."""
    try:
        report = read_json(home.scan(scan_id).path / "report.json") or {}
    except CodeTuneError:
        return [gr.skip(), gr.skip()]
    lists = [(report.get("offers") or {}).get(name) for name in ("columns", "configs")]
    pairs = [[(name, name) for name in names or ()] for names in lists]
    return [gr.update(choices=names) if names else gr.skip() for names in pairs]


def show_kind(kind: str) -> tuple[Any, ...]:
    """Return updates that show what this kind of source asks for."""
    label, note, example = PLACES[kind]
    return (
        gr.Textbox(visible=kind != DEMO_KIND, label=label, info=note, placeholder=example),
        gr.UploadButton(visible=kind == FILE),
        gr.Row(visible=kind in (FILE, HUB)),
        *(gr.update(visible=kind == HUB) for _ in HUB_FIELDS),
    )


def add_source(source: str, place: str, weight: float | None) -> tuple[str, str, float]:
    """Return the source setting with one more in it, and the emptied fields."""
    with shown_errors():
        return with_another(source, place, 1.0 if weight is None else weight), "", 1.0


def _kept(home: Home, path: str) -> str:
    with shown_errors():
        return str(keep(home, Path(path)))
