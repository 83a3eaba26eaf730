from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from codetune_ui.core.config import SETTINGS, Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.presets import preset
from codetune_ui.runs.store import Home
from codetune_ui.ui.form import ConfigForm, preset_of, recall, remember


@pytest.fixture
def form() -> ConfigForm:
    with gr.Blocks():
        return ConfigForm({"base_model": [("Demo model", "demo"), ("Big", "org/big")]})


def given(form: ConfigForm, **changes: object) -> dict[object, object]:
    """What an event hands over: the defaults of every widget, some of them changed."""
    values = {name: about.default for name, about in SETTINGS.items()} | changes
    return {form.widgets[name]: value for name, value in values.items()}


def test_every_setting_has_a_widget_with_its_words(form: ConfigForm) -> None:
    assert list(form.widgets) == list(SETTINGS)
    rank = form.widgets["lora_rank"]
    assert isinstance(rank, gr.Number)
    assert (rank.label, rank.info, rank.elem_id) == (
        "LoRA rank",
        "Width of the adapter.",
        "s-lora_rank",
    )


def test_the_kind_of_a_setting_decides_its_widget(form: ConfigForm) -> None:
    kinds = {name: type(widget).__name__ for name, widget in form.widgets.items()}
    assert kinds["max_steps"] == "Number"
    assert kinds["double_quant"] == "Checkbox"
    assert kinds["span"] == "Dropdown"
    assert kinds["lora_targets"] == "Textbox"
    assert kinds["base_model"] == "Dropdown"  # has suggestions


def test_the_form_reads_as_a_config(form: ConfigForm) -> None:
    assert form.read(given(form, max_steps=7, lora_rank=4)) == Config(max_steps=7, lora_rank=4)


def test_other_inputs_beside_the_settings_are_passed_over(form: ConfigForm) -> None:
    assert form.read({**given(form), object(): "a name"}) == Config()


def test_a_bad_setting_names_its_field(form: ConfigForm) -> None:
    with pytest.raises(ConfigError) as caught:
        form.read(given(form, lora_rank=0))
    assert caught.value.field == "lora_rank"
    assert str(caught.value) == "LoRA rank is 0, outside 1 to 512. Try 16."


def test_an_emptied_number_is_refused_in_words(form: ConfigForm) -> None:
    with pytest.raises(ConfigError, match="Steps must be a whole number, not None"):
        form.read(given(form, max_steps=None))


def test_a_preset_fills_every_widget(form: ConfigForm) -> None:
    filled = dict(zip(form.widgets, form.fill_preset("guide"), strict=True))
    assert filled == {name: getattr(preset("guide"), name) for name in SETTINGS}


def test_what_is_not_named_stays_as_it_is(form: ConfigForm) -> None:
    filled = dict(zip(form.widgets, form.fill({"max_steps": 9}), strict=True))
    assert filled["max_steps"] == 9
    assert filled["lora_rank"] == gr.skip()


def test_a_preset_is_known_again_until_something_changes() -> None:
    values = {name: getattr(preset("demo"), name) for name in SETTINGS}
    assert preset_of(values) == "demo"
    assert preset_of({**values, "max_steps": 161}) == ""


def test_the_form_begins_with_the_demo_preset(home: Path) -> None:
    assert recall(Home(home))["max_steps"] == 160


def test_the_last_settings_are_kept(home: Path) -> None:
    remember(Home(home), Config(max_steps=9))
    assert recall(Home(home))["max_steps"] == 9


def test_kept_settings_that_no_longer_fit_are_left(home: Path) -> None:
    (home / "form.json").write_text('{"no_such_setting": 1}', encoding="utf-8")
    assert recall(Home(home))["max_steps"] == 160
