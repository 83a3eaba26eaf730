from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.runs.elsewhere import place
from codetune_ui.runs.placement import parse_placement, read_placement
from codetune_ui.runs.store import Home
from codetune_ui.ui.live import Live
from tests.calling import call, refused


def test_a_place_that_there_is_not_is_refused_before_there_is_a_run(home: Path) -> None:
    refused(call("train", "--on", "lsf"), "'lsf' is no place to train on.", "here, slurm, sky")
    assert Home(home).runs() == []


def test_a_place_out_of_reach_is_refused_before_there_is_a_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    refused(call("train", "--on", "sky:infra=k8s"), "sky is missing")
    assert Home(home).runs() == []


def test_a_resume_elsewhere_is_refused_before_the_run_is_moved(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Home(home).create_run(Config(), "first")
    monkeypatch.setenv("PATH", "/nowhere")
    refused(call("resume", "first", "--on", "sky"), "sky is missing")
    assert read_placement(run.path) is None


def test_the_page_says_where_a_run_s_code_goes(home: Path) -> None:
    run = Home(home).create_run(Config(), "first")
    live = Live(Home(home))
    assert live.tick("first", 0)["view"]["where"] == ""
    place(run, parse_placement("slurm:partition=gpu"))
    assert live.tick("first", 0)["view"]["where"] == (
        f"On Slurm, partition 'gpu': its nodes read your code, and write, in {run.path}."
    )
