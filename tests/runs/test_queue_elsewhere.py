"""Runs on a cluster and the queue of this machine's accelerator."""

from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.runs import queue, slurm
from codetune_ui.runs.placement import Placement, read_placement, write_placement
from codetune_ui.runs.queue import start_or_wait, waiting, who_is_at_work
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run
from tests.calling import call
from tests.runs.processes import working


@pytest.fixture
def far(home: Path) -> Run:
    run = Home(home).create_run(Config(), "far")
    write_placement(run.path, Placement(on="slurm"))
    return run


def test_a_run_on_a_cluster_keeps_no_run_here_from_beginning(far: Run, home: Path) -> None:
    far.write_status(Status(state="running").replace())
    assert far.state() == "running"
    assert who_is_at_work(Home(home)) == ""


def test_a_run_on_a_cluster_does_not_wait_for_a_run_here(
    far: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(queue, "start_worker", lambda run, job: begun.append(f"{run.name} {job}"))
    with working(Home(home).create_run(Config(), "near")):
        assert who_is_at_work(Home(home)) == "near"
        assert start_or_wait(far, "train") is False
    assert begun == ["far train"]
    assert waiting(Home(home)) == []


def test_a_sweep_on_a_cluster_is_handed_over_whole_and_waits_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(slurm, "check", lambda: None)
    monkeypatch.setattr(queue, "start_worker", lambda run, job: begun.append(f"{run.name} {job}"))
    call("train", "--name", "s", "--on", "slurm:partition=gpu", "--sweep", "seed=1,2")
    assert begun == ["s-seed-1 train", "s-seed-2 train"]
    placement = read_placement(Home(home).run("s-seed-2").path)
    assert placement is not None
    assert placement.options["partition"] == "gpu"
    assert waiting(Home(home)) == []
