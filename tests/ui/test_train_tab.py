"""The handlers of the form, called as Gradio calls them; the page itself is in tests/browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from codetune_ui.core.config import SETTINGS
from codetune_ui.core.presets import preset
from codetune_ui.runs.store import Home
from codetune_ui.ui.form import recall
from codetune_ui.ui.page import build_blocks


@pytest.fixture
def demo(home: Path) -> gr.Blocks:
    return build_blocks(Home(home))


def handler(demo: gr.Blocks, name: str) -> Any:
    """The function of an event of this tab, by its name in the source."""
    found = (event.fn for event in demo.fns.values() if event.fn)
    ours = (fn for fn in found if fn.__module__ == "codetune_ui.ui.train_tab")
    return next(fn for fn in ours if fn.__name__ == name)


def given(demo: gr.Blocks, **changes: object) -> dict[Any, Any]:
    """What the form hands over: the Demo preset with some settings changed."""
    blocks = {block.elem_id: block for block in demo.blocks.values()}
    values: dict[str, object] = {name: getattr(preset("demo"), name) for name in SETTINGS}
    shown = {blocks[f"s-{name}"]: value for name, value in (values | changes).items()}
    return {**shown, blocks["current-scan"]: "", blocks["run-name"]: "first"}


def test_a_look_at_the_form_keeps_its_settings(demo: gr.Blocks, home: Path) -> None:
    heading, plan, start = handler(demo, "look")(given(demo, max_steps=9))
    assert recall(Home(home))["max_steps"] == 9
    assert "your own" in heading
    assert "<dd>9</dd>" in plan
    assert (start.value, start.interactive) == ("Scan code first", False)


def test_an_unchanged_preset_is_named(demo: gr.Blocks) -> None:
    assert "Demo preset" in handler(demo, "look")(given(demo))[0]


def test_a_bad_setting_is_not_kept(demo: gr.Blocks, home: Path) -> None:
    _, plan, start = handler(demo, "look")(given(demo, lora_rank=0))
    assert 'data-field="lora_rank"' in plan
    assert (start.value, start.interactive) == ("Fix the settings", False)
    assert not (home / "form.json").exists()


def test_a_taken_name_is_told_and_nothing_starts(demo: gr.Blocks, home: Path) -> None:
    Home(home).create_run(preset("demo"), "first")
    with pytest.raises(gr.Error, match="There is a run named 'first' already"):
        handler(demo, "begin")(given(demo))
    assert [run.state() for run in Home(home).runs()] == ["created"]
