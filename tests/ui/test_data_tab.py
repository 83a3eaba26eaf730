"""The tab's handlers, called as Gradio calls them; the page itself is in tests/browser."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from codetune_ui.core.config import SETTINGS
from codetune_ui.core.presets import PRESETS, preset
from codetune_ui.runs.process import kill_worker
from codetune_ui.runs.state import ENDED
from codetune_ui.runs.store import Home
from codetune_ui.ui import corpus
from codetune_ui.ui.data_tab import fill, shown_preset
from codetune_ui.ui.form import recall
from codetune_ui.ui.page import build_blocks


@pytest.fixture
def demo(home: Path) -> gr.Blocks:
    return build_blocks(Home(home))


def handler(demo: gr.Blocks, name: str) -> Any:
    """The function of an event, by its name in the source."""
    wanted = f"data_tab._wire.<locals>.{name}"
    return next(
        f.fn
        for f in demo.fns.values()
        if f.fn and f"{f.fn.__module__}.{f.fn.__qualname__}".endswith(wanted)
    )


def values(**changes: object) -> dict[str, Any]:
    return {name: getattr(preset("demo"), name) for name in SETTINGS} | changes


def given(demo: gr.Blocks, **changes: object) -> dict[Any, Any]:
    """What the page hands over: the Demo preset with some settings changed."""
    blocks = {block.elem_id: block for block in demo.blocks.values()}
    shown = {blocks[f"s-{name}"]: value for name, value in values(**changes).items()}
    return {**shown, blocks["current-scan"]: ""}


def test_a_scan_runs_in_its_own_process_to_its_result(demo: gr.Blocks, home: Path) -> None:
    scan = Home(home).scan(handler(demo, "begin")(given(demo)))
    try:
        while scan.state() not in ENDED:
            time.sleep(0.1)
    finally:
        kill_worker(scan)
    view = corpus.look(Home(home), scan.name)
    assert view.state == "finished", scan.log_tail()
    assert "Characters per token" in (view.body or "")
    assert recall(Home(home))["source"] == "demo"


def test_a_folder_that_is_not_there_is_one_sentence(demo: gr.Blocks, home: Path) -> None:
    with pytest.raises(gr.Error, match="There is no folder or file"):
        handler(demo, "begin")(given(demo, source="/no/such/place"))
    assert Home(home).latest_scan() is None


def test_the_model_is_described_from_the_form(demo: gr.Blocks) -> None:
    html = handler(demo, "tell_model")(given(demo))
    assert "FIM tokens found" in html
    assert "Needs about" in html


def test_a_setting_outside_its_limits_is_told_instead(demo: gr.Blocks) -> None:
    html = handler(demo, "tell_model")(given(demo, lora_rank=0))
    assert "LoRA rank is 0" in html


def test_the_source_tells_its_kind_and_the_preset(demo: gr.Blocks, code_folder: Path) -> None:
    tell = handler(demo, "tell_source")
    assert tell(given(demo))[1:] == ("demo", "demo")
    assert tell(given(demo, source=str(code_folder)))[1:] == ("folder", None)
    _, kind, shown = tell(given(demo, source="", max_steps=9))
    assert (kind, shown) == (gr.skip(), None)


def test_a_preset_may_have_a_source_of_ones_own() -> None:
    recommended = {s.name: s.default for s in SETTINGS.values()} | PRESETS["recommended"]
    assert shown_preset({**recommended, "source": "/mine"}) == "recommended"
    assert shown_preset({**recommended, "max_steps": 9}) == ""
    assert shown_preset(values()) == "demo"
    assert shown_preset(values(source="/mine")) == ""


def test_a_preset_that_names_no_source_leaves_ones_own() -> None:
    class Form:
        widgets = dict.fromkeys(SETTINGS)

        def fill_preset(self, name: str) -> list[Any]:
            return [PRESETS[name].get(s.name, s.default) for s in SETTINGS.values()]

    place = list(SETTINGS).index("source")
    assert fill(Form(), "recommended", "/mine")[place] == gr.skip()
    assert fill(Form(), "recommended", "demo")[place] == "demo"
    assert fill(Form(), "guide", "/mine")[place] == "hub:smangrul/hf-stack-v1"


def test_the_page_can_look_and_cancel(demo: gr.Blocks) -> None:
    [card] = [block for block in demo.blocks.values() if block.elem_id == "corpus"]
    assert card.look({"scan": ""})["state"] == "none"
    assert "There is no scan" in card.cancel("20990101-000000")


def test_a_press_on_a_file_changes_the_settings_and_can_be_undone(demo: gr.Blocks) -> None:
    choose = next(
        f.fn
        for f in demo.fns.values()
        if f.fn and f.fn.__qualname__ == "_wire_choices.<locals>.choose"
    )
    never = json.dumps({"deed": "never", "path": "src/a.py"})
    force_in, exclude, undo = choose(never, "", "*.ts")
    assert (force_in, exclude) == ("", "*.ts, /src/a.py")
    back = json.dumps({"deed": "undo", "was": json.loads(undo)})
    assert choose(back, force_in, exclude)[:2] == ("", "*.ts")
