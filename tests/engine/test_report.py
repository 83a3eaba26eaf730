from __future__ import annotations

import time

import pytest

from codetune_ui.core.config import Config
from codetune_ui.engine import report
from codetune_ui.engine.report import Reporter, StopRequested, StopWish
from codetune_ui.runs.events import read_events
from codetune_ui.runs.store import Home, Run


@pytest.fixture
def run() -> Run:
    return Home.current().create_run(Config(), "some")


def test_status_and_events_say_the_same(run: Run) -> None:
    reporter = Reporter(run, "train")
    reporter.open()
    reporter.phase("Training", "Step by step.")
    reporter.state("running", total_steps=9)
    reporter.step(3)
    reporter.close()
    status = run.status()
    assert (status.state, status.phase, status.step, status.total_steps) == (
        "running",
        "Training",
        3,
        9,
    )
    kinds = [event["kind"] for event in read_events(run.events_path)[0]]
    assert kinds == ["state", "phase", "state"]


def test_the_heartbeat_keeps_updated_fresh(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "BEAT_S", 0.01)
    monkeypatch.setattr(report, "LOOK_S", 0.01)
    reporter = Reporter(run, "train")
    reporter.open()
    first = run.status().updated
    for _ in range(200):
        if run.status().updated > first:
            break
        time.sleep(0.02)
    reporter.close()
    assert run.status().updated > first


def test_a_stop_file_says_how_to_stop(run: Run) -> None:
    stop = StopWish(run)
    assert stop() == ""
    stop.check()
    run.stop_path.write_text("save")
    assert stop() == "save"
    run.stop_path.write_text("discard")
    assert stop() == "discard"
    with pytest.raises(StopRequested):
        stop.check()


def test_an_empty_stop_file_means_to_save(run: Run) -> None:
    run.stop_path.write_text("")
    assert StopWish(run)() == "save"
