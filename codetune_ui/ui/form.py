"""The form of a run: one widget per setting, made from what core/config.py says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block

from codetune_ui.core.config import NO_STEP, SETTINGS, Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.presets import PRESETS, preset
from codetune_ui.core.setting import Setting
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.store import Home

KEPT = "form.json"  # in the home
HIDDEN = ("cards",)  # set in a list of their own
Suggestions = Mapping[str, Sequence[tuple[str, str]]]

# What a choice is called on the page; the value stays the setting's own word.
CHOICE_LABELS = {
    "characters": "Random characters",
    "rest_of_line": "Rest of line",
    "lines": "Whole lines",
    "syntax": "Pieces of syntax",
    "mixed": "A mix",
    "path": "Its path",
    "neighbours": "Path and neighbours",
    "window": "Whole, in its row",
    "truncate_or_pad": "Truncate or pad",
    "all": "All tokens",
    "middle": "Middle only",
    "redact": "Redact",
    "drop": "Drop the file",
    "keep": "Keep",
    "nf4": "NF4 (4 bit)",
    "none": "None",
    "constant_with_warmup": "Constant",
    "cosine": "Cosine",
    "linear": "Linear",
    "auto": "Auto",
    "flash_attention_2": "FlashAttention 2",
    "sdpa": "SDPA",
    "eager": "Eager",
}


class ConfigForm:
    """All settings as widgets, made at once and drawn where a tab calls `add`.

    The DOM id of a setting's widget is `s-NAME`, so that a script can mark the one that is wrong.
    `suggestions` turns a text field into a list one can also type into.
    """

    def __init__(self, suggestions: Suggestions | None = None) -> None:
        known = suggestions or {}
        self.widgets: dict[str, Block] = {
            name: _widget(about, known.get(name, ())) for name, about in SETTINGS.items()
        }

    @property
    def blocks(self) -> list[Block]:
        """The widgets in the order of `SETTINGS`, for the inputs and outputs of an event."""
        return list(self.widgets.values())

    def add(self, name: str) -> Block:
        """Draw the widget of one setting here, and return it."""
        widget: Block = self.widgets[name].render()
        return widget

    def values(self, given: Mapping[Any, Any]) -> dict[str, Any]:
        """Pick the settings by name out of what an event handed over by widget."""
        return {name: given[box] for name, box in self.widgets.items() if box in given}

    def read(self, given: Mapping[Any, Any]) -> Config:
        """Return the settings in the form; raises `ConfigError`, its `field` naming the widget."""
        return Config.from_dict(self.values(given))

    def fill(self, values: Mapping[str, Any]) -> list[Any]:
        """Return one update per widget, in the order of `blocks`; settings not named stay."""
        return [values[name] if name in values else gr.skip() for name in self.widgets]

    def fill_preset(self, name: str) -> list[Any]:
        """Return one update per widget: the named preset, everything it leaves open by default."""
        defaults = {about.name: about.default for about in SETTINGS.values()}
        return self.fill({**defaults, **PRESETS[name]})


def preset_of(values: Mapping[str, Any]) -> str:
    """Return the name of the preset that these settings are, or "" when some were changed.

    On how many cards it trains, and on which, is no part of a preset.
    """
    for name, changes in PRESETS.items():
        wanted = {about.name: about.default for about in SETTINGS.values()} | changes
        if all(values.get(key) == wanted[key] for key in wanted if key not in NO_STEP):
            return name
    return ""


def remember(home: Home, config: Config) -> None:
    """Keep the form's settings, so that a reload or the next day begins with them."""
    home.path.mkdir(parents=True, exist_ok=True)
    replace_json(home.path / KEPT, config.to_dict())


def recall(home: Home) -> dict[str, Any]:
    """Return the settings kept last; the Demo preset when there are none that can be read."""
    try:
        config = Config.from_dict(read_json(home.path / KEPT) or PRESETS["demo"])
    except ConfigError:
        config = preset("demo")
    return {name: getattr(config, name) for name in SETTINGS}


def _widget(about: Setting, suggestions: Sequence[tuple[str, str]]) -> Block:
    shared: dict[str, Any] = {
        "value": about.default,
        "label": about.label,
        "info": about.help,
        "elem_id": f"s-{about.name}",
        "interactive": True,
        "render": False,
        "visible": "hidden" if about.name in HIDDEN else True,
    }
    if suggestions:
        return gr.Dropdown(list(suggestions), allow_custom_value=True, **shared)
    if about.choices:
        choices = [(CHOICE_LABELS.get(value, value), value) for value in about.choices]
        return gr.Dropdown(choices, **shared)
    if about.kind is bool:
        return gr.Checkbox(**shared)
    if about.kind is str:
        return gr.Textbox(max_lines=1, **shared)
    # Limits are checked by core/setting.py, in words: the widget's own minimum would only clip.
    step = 1 if about.kind is int else _step(about)
    return gr.Number(precision=0 if about.kind is int else None, step=step, **shared)


def _step(about: Setting) -> float:
    """Return what one press of the arrow adds: a hundredth of the range, or of a small default."""
    small = 0 < about.default < 0.05
    return float(about.default) / 10 if small else 0.05
