"""The handlers of the form, called as Gradio calls them; the page itself is in tests/browser."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr
import pytest

from codetune_ui.core.config import SETTINGS
from codetune_ui.core.errors import MachineError
from codetune_ui.core.presets import preset
from codetune_ui.runs import queue
from codetune_ui.runs.placement import read_placement
from codetune_ui.runs.queue import enter, waiting
from codetune_ui.runs.store import Home
from codetune_ui.ui.form import recall
from codetune_ui.ui.machine import CardWatch
from codetune_ui.ui.page import build_blocks
from tests.two_cards import a_tool


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no keeper start."""
    monkeypatch.setattr(queue, "spawn", lambda *_, **__: None)


@pytest.fixture
def demo(home: Path) -> gr.Blocks:
    return build_blocks(Home(home))


def handler(demo: gr.Blocks, name: str) -> Any:
    """The function of an event of this tab, by its name in the source."""
    found = (event.fn for event in demo.fns.values() if event.fn)
    ours = (fn for fn in found if fn.__module__ == "codetune_ui.ui.train_tab")
    return next(fn for fn in ours if fn.__name__ == name)


def given(
    demo: gr.Blocks, beside: Mapping[str, str] = MappingProxyType({}), **changes: object
) -> dict[Any, Any]:
    """What the form hands over: the Demo preset with some settings changed, and what is beside."""
    blocks = {block.elem_id: block for block in demo.blocks.values()}
    values: dict[str, object] = {name: getattr(preset("demo"), name) for name in SETTINGS}
    shown = {blocks[f"s-{name}"]: value for name, value in (values | changes).items()}
    others = {"current-scan": "", "run-name": "first", "edited": "", "varied": "", "place": "here"}
    return shown | {blocks[name]: value for name, value in (others | dict(beside)).items()}


def test_a_look_at_the_form_keeps_its_settings(demo: gr.Blocks, home: Path) -> None:
    heading, plan, start, _ = handler(demo, "look")(given(demo, max_steps=9))
    assert recall(Home(home))["max_steps"] == 9
    assert "your own" in heading
    assert "<dd>9</dd>" in plan
    assert (start.value, start.interactive) == ("Scan code first", False)


def test_an_unchanged_preset_is_named(demo: gr.Blocks) -> None:
    assert "Demo preset" in handler(demo, "look")(given(demo))[0]


def test_a_bad_setting_is_not_kept(demo: gr.Blocks, home: Path) -> None:
    _, plan, start, _ = handler(demo, "look")(given(demo, lora_rank=0))
    assert 'data-field="lora_rank"' in plan
    assert (start.value, start.interactive) == ("Fix the settings", False)
    assert not (home / "form.json").exists()


@pytest.mark.usefixtures("asleep")
def test_several_values_are_several_runs_in_line(demo: gr.Blocks, home: Path) -> None:
    varied = {"varied": "seed", "varied-values": "1, 2, 3"}
    start = handler(demo, "look")(given(demo, varied))[2]
    assert start.value == "Scan code first"  # what would be trained on is not known yet
    names, emptied = handler(demo, "begin")(given(demo, varied))
    assert (names, emptied) == ("first-seed-1,first-seed-2,first-seed-3", "")
    assert [turn.run.name for turn in waiting(Home(home))] == names.split(",")


def test_a_bad_value_of_a_sweep_makes_no_run(demo: gr.Blocks, home: Path) -> None:
    varied = {"varied": "lora_rank", "varied-values": "4, many"}
    assert 'data-field="lora_rank"' in handler(demo, "look")(given(demo, varied))[1]
    with pytest.raises(gr.Error, match="must be a whole number"):
        handler(demo, "begin")(given(demo, varied))
    assert Home(home).runs() == []


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a machine with two cards, which the page has seen already."""
    program = a_tool(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    watch = CardWatch(program)
    monkeypatch.setattr("codetune_ui.ui.cards.WATCH", watch)
    while not watch.answered:
        watch.look()
        time.sleep(0.02)


@pytest.mark.usefixtures("asleep", "two_cards")
def test_a_run_names_the_cards_that_were_ticked(demo: gr.Blocks, home: Path) -> None:
    begin = handler(demo, "begin")
    enter(Home(home), [Home(home).create_run(preset("demo"), "earlier")])
    begin(given(demo, cards="1"))
    assert Home(home).run("first").config().cards == "1"
    begin(given(demo, {"run-name": "second"}))  # the first one is ticked where none is named
    assert Home(home).run("second").config().cards == "0"


@pytest.mark.usefixtures("two_cards")
def test_cards_that_do_not_fit_are_told_in_the_plan_and_at_the_press(
    demo: gr.Blocks, home: Path
) -> None:
    wrong = given(demo, cards="5")
    _, plan, start, _ = handler(demo, "look")(wrong)
    assert "There is no card 5 here. Choose from cards 0 and 1." in plan
    assert start.interactive is False
    with pytest.raises(gr.Error, match="There is no card 5 here"):
        handler(demo, "begin")(wrong)
    rows = handler(demo, "look")(given(demo, cards="0,1", processes=2))[1]
    assert "1 row per step cannot be divided among 2 cards." in rows
    assert Home(home).runs() == []


SLURM = MappingProxyType({"place": "slurm", "place-options": "partition=gpu,nodes=2"})


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Be a machine from which jobs go to Slurm; return the names of those that did."""
    taken: list[str] = []
    monkeypatch.setattr("codetune_ui.runs.slurm.check", lambda: None)
    monkeypatch.setattr("codetune_ui.runs.slurm._ask", dict)
    monkeypatch.setattr("codetune_ui.runs.slurm.submit", lambda _, name, *__: taken.append(name))
    return taken


@pytest.mark.usefixtures("slurm")
def test_the_page_says_where_the_code_goes_before_a_start(demo: gr.Blocks, home: Path) -> None:
    two = {"processes": 2, "global_batch_rows": 2}
    _, plan, _, listed = handler(demo, "look")(given(demo, SLURM, **two))
    assert (
        "On Slurm, partition &#x27;gpu&#x27;, 2 nodes: its nodes read your code, and write, in "
        f"{home}/runs." in plan
    )
    assert "CPU only" not in plan
    assert listed == ""


def test_a_place_that_does_not_fit_is_told_before_a_start(
    demo: gr.Blocks, home: Path, slurm: list[str]
) -> None:
    refusal = "1 processes cannot be spread over 2 nodes."
    assert refusal in handler(demo, "look")(given(demo, SLURM))[1]
    with pytest.raises(gr.Error, match=refusal):
        handler(demo, "begin")(given(demo, SLURM))
    assert (Home(home).runs(), slurm) == ([], [])


def test_a_start_on_a_cluster_hands_the_run_over_without_cards(
    demo: gr.Blocks, home: Path, slurm: list[str]
) -> None:
    two = {"processes": 2, "global_batch_rows": 2, "cards": "0,1"}
    names, _ = handler(demo, "begin")(given(demo, SLURM, **two))
    run = Home(home).run(names)
    assert slurm == ["codetune-first"]
    assert (run.config().processes, run.config().cards) == (2, "")
    placement = read_placement(run.path)
    assert placement is not None
    assert placement.options == {"time": "12:00:00", "partition": "gpu", "nodes": "2"}


@pytest.mark.usefixtures("slurm")
def test_a_run_that_a_cluster_does_not_take_leaves_nothing(
    demo: gr.Blocks, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise MachineError("Slurm refused the job: invalid partition.")

    monkeypatch.setattr("codetune_ui.runs.slurm.submit", refuse)
    with pytest.raises(gr.Error, match="Slurm refused the job"):
        handler(demo, "begin")(given(demo, {**SLURM, "place-options": "partition=none"}))
    assert Home(home).runs() == []


@pytest.mark.usefixtures("asleep")
def test_an_edited_run_keeps_its_place_and_gets_settings_and_name(
    demo: gr.Blocks, home: Path
) -> None:
    run = Home(home).create_run(preset("demo"), "old")
    enter(Home(home), [run])
    names, _ = handler(demo, "begin")(given(demo, {"edited": "old"}, lora_rank=4))
    assert names == "first"
    assert Home(home).run("first").config().lora_rank == 4
    assert Home(home).run("first").state() == "waiting"


def test_a_taken_name_is_told_and_nothing_starts(demo: gr.Blocks, home: Path) -> None:
    Home(home).create_run(preset("demo"), "first")
    with pytest.raises(gr.Error, match="There is a run named 'first' already"):
        handler(demo, "begin")(given(demo))
    assert [run.state() for run in Home(home).runs()] == ["created"]
