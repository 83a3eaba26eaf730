"""`train` while another is at work, `--queue`, `--sweep`, and the queue shown and changed."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.runs import queue
from codetune_ui.runs.queue import waiting
from codetune_ui.runs.store import Home
from tests.calling import call, last_json, refused
from tests.runs.processes import working


@pytest.fixture
def there(home: Path) -> Home:
    return Home(home)


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no keeper start."""
    monkeypatch.setattr(queue, "spawn", lambda *_, **__: None)


def line(there: Home) -> list[str]:
    return [turn.run.name for turn in waiting(there)]


@pytest.mark.usefixtures("asleep")
def test_train_with_queue_puts_it_in_line_and_returns(there: Home) -> None:
    answer = last_json(call("train", "--name", "a", "--queue", "--json"))
    assert answer == {"runs": ["a"], "state": "waiting"}
    assert line(there) == ["a"]


@pytest.mark.usefixtures("asleep")
def test_a_sweep_puts_one_run_per_value_in_line(there: Home) -> None:
    answer = last_json(call("train", "--name", "r", "--sweep", "lora_rank=4,8", "--json"))
    assert answer["runs"] == ["r-lora_rank-4", "r-lora_rank-8"]
    assert line(there) == ["r-lora_rank-4", "r-lora_rank-8"]


def test_a_bad_sweep_is_refused_and_makes_nothing(there: Home) -> None:
    refused(call("train", "--sweep", "lora_rank"), "is no sweep", "--sweep NAME=VALUE,VALUE")
    refused(call("train", "--sweep", "lora_rank=4"), "2 to 50 values")
    assert there.runs() == []


@pytest.mark.usefixtures("asleep")
def test_the_queue_is_shown_moved_edited_and_emptied(there: Home) -> None:
    for name in ("a", "b"):
        call("train", "--name", name, "--queue")
    assert call("queue").stdout.split() == ["1.", "a", "2.", "b"]
    shown = last_json(call("queue", "b", "--to", "1", "--set", "seed=7", "--json"))
    assert [row["run"] for row in shown["waiting"]] == ["b", "a"]
    assert there.run("b").config().seed == 7
    refused(call("queue", "b", "--set", "source=/nowhere"), "/nowhere")
    call("queue", "b", "--drop")
    call("queue", "a", "--drop")
    assert call("queue").stdout.strip() == "No run waits."


def test_what_is_not_said_is_asked_in_one_sentence(there: Home) -> None:
    there.create_run(Config(), "a")
    refused(call("queue", "--drop"), "Which run?")
    refused(call("queue", "a"), "What is to be done with it?")
    refused(call("queue", "a", "--drop"), "'a' does not wait")


@pytest.mark.usefixtures("asleep")
def test_stop_takes_a_waiting_run_out_of_the_line(there: Home) -> None:
    call("train", "--name", "a", "--queue")
    assert last_json(call("stop", "a", "--json")) == {"run": "a", "state": "created"}
    assert line(there) == []
    assert there.run("a").state() == "created"


def test_train_waits_for_its_turn_and_is_followed_to_its_end(
    there: Home, tiny_model: Path, code_folder: Path
) -> None:
    other = there.create_run(Config(), "other")
    values = ("max_steps=2", "max_seq_len=128", "quant=none", "compute_dtype=float32")
    settings = [word for value in values for word in ("--set", value)]
    with working(other) as worker:
        watch = _end_when_one_waits(there, worker)
        result = call(
            *("train", "--model", tiny_model, "--data", code_folder, "--name", "mine"),
            *(*settings, "--json"),
        )
        watch.join()
    assert "'other' is at work: 'mine' waits for its turn." in result.stderr
    assert last_json(result)["state"] == "finished"


def _end_when_one_waits(there: Home, worker: subprocess.Popen[bytes]) -> threading.Thread:
    def watch() -> None:
        while not waiting(there):
            time.sleep(0.05)
        worker.kill()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread
