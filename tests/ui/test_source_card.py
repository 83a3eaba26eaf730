from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from codetune_ui.core.presets import preset
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.store import Home
from codetune_ui.ui.source_card import (
    FIRST_VALUE,
    KINDS,
    PLACES,
    add_source,
    offered,
    show_kind,
)


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("demo", [False, False, False, False, False]),
        ("folder", [True, False, False, False, False]),
        ("git", [True, False, False, False, False]),
        ("file", [True, True, True, False, False]),
        ("hub", [True, False, True, True, True]),
    ],
)
def test_each_kind_of_source_asks_for_what_it_needs(kind: str, seen: list[bool]) -> None:
    found = [u["visible"] if isinstance(u, dict) else u.visible for u in show_kind(kind)]
    assert found == seen


def test_every_kind_has_a_first_value_and_words() -> None:
    kinds = {value for _, value in KINDS}
    assert kinds == set(FIRST_VALUE) == set(PLACES)


def test_the_guides_dataset_is_the_first_suggestion() -> None:
    assert FIRST_VALUE["hub"] == "hub:smangrul/hf-stack-v1"


def test_another_source_is_added_with_its_weight() -> None:
    assert add_source("/home/me/app", "/home/me/old", 0.5) == (
        "/home/me/app; /home/me/old *0.5",
        "",
        1.0,
    )
    assert add_source("", "/home/me/old", 1) == ("/home/me/old", "", 1.0)


@pytest.mark.parametrize(("place", "weight"), [("", 1.0), ("/x", 0.0), ("/x", 101.0)])
def test_a_source_without_a_name_or_a_weight_is_refused(place: str, weight: float) -> None:
    with pytest.raises(gr.Error):
        add_source("/home/me/app", place, weight)


def test_what_a_scan_saw_on_the_hub_can_be_picked(home: Path) -> None:
    scan = Home(home).create_scan(preset("demo"))
    offers = {"configs": [], "splits": ["train"], "columns": ["content", "path"]}
    replace_json(scan.path / "report.json", {"offers": offers})
    column, config = offered(Home(home), scan.name)
    assert column["choices"] == [("content", "content"), ("path", "path")]
    assert config == gr.skip()


def test_without_a_scan_there_is_nothing_to_pick(home: Path) -> None:
    assert offered(Home(home), "") == [gr.skip(), gr.skip()]
