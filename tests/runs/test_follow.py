from __future__ import annotations

from pathlib import Path

from codetune_ui.core.config import Config
from codetune_ui.runs.events import EventWriter
from codetune_ui.runs.follow import follow
from codetune_ui.runs.store import Home
from tests.runs.processes import OBEYS_THE_STOP_FILE, working


def test_following_ends_with_the_worker_and_misses_nothing(home: Path) -> None:
    run = Home(home).create_run(Config())
    seen = []
    with working(run, OBEYS_THE_STOP_FILE), EventWriter(run.events_path) as writer:
        writer.write("train", step=1)
        for event in follow(run):
            seen.append(event["kind"])
            if event["kind"] == "train":
                writer.write("eval", step=1)
                run.stop_path.touch()
    assert seen == ["train", "eval"]


def test_following_from_an_offset_skips_an_earlier_attempt(home: Path) -> None:
    run = Home(home).create_run(Config())
    with EventWriter(run.events_path) as writer:
        writer.write("train", step=1)
        offset = run.events_path.stat().st_size
        writer.write("resume", step=1)
    assert [event["kind"] for event in follow(run, offset)] == ["resume"]
