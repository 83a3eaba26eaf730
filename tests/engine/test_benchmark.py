from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.benchmark import BenchmarkRequest
from codetune_ui.core.benchmark_scores import Answered, Sample
from codetune_ui.core.benchmark_sets import SETS, Task, read_tasks
from codetune_ui.core.completion import Ask
from codetune_ui.engine.benchmark import measure, run_programs, verdict
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.report import Reporter, StopRequested, StopWish
from codetune_ui.runs.benchmarks import create, report_path, result_path
from codetune_ui.runs.events import read_events
from codetune_ui.runs.store import Home, Run
from tests.core.benchmarks import api_call, block, infilling, java_control, write_rows
from tests.runs.serving import add_trained_run, make_talkative

SINGLE = "humaneval-single-line"
on_posix = pytest.mark.skipif(os.name != "posix", reason="no program is run on Windows")


@pytest.fixture
def run(tiny_model: Path, home: Path) -> Run:
    return add_trained_run(Home(home), tiny_model, "tuned", max_seq_len=128)


def work(
    run: Run, rows: Sequence[Mapping[str, Any]], name: str, *, alone: bool = False, **asked: Any
) -> Run:
    """Do a benchmark in this process; return its folder."""
    file = write_rows(run.home.path / "tasks.jsonl", rows)
    named = {"run": "" if alone else run.name} | asked
    job = create(run.home, BenchmarkRequest(set=name, file=str(file), **named), run.config())
    reporter = Reporter(job, "benchmark")
    reporter.open()
    try:
        measure(job, reporter, StopWish(job))
    finally:
        reporter.close()
    return job


def result(job: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result_path(job).read_text("utf-8"))
    return found


def task(name: str, row: Mapping[str, Any], folder: Path) -> Task:
    of = next(found for found in SETS.values() if found.name == name)
    return read_tasks(write_rows(folder / "one.jsonl", [row]), of).found[0]


# --- the whole


def test_base_and_adapter_answer_the_same_tasks_and_nothing_is_run(run: Run) -> None:
    job = work(run, [infilling(n) for n in range(4)], SINGLE)
    found = result(job)
    assert (found["tasks"], found["main"], found["run"]) == (4, "exact_match", "tuned")
    assert {
        len(item[side]["samples"]) for item in found["items"] for side in ("base", "adapter")
    } == {1}
    assert [s["passed"] for item in found["items"] for s in item["base"]["samples"]] == [None] * 4
    assert found["protections"] == []
    assert found["model"]["prompt_order"] == "psm"
    assert found["model"]["prompt_modes"] == ["psm"]
    assert found["file"]["tasks_in_file"] == 4
    assert len(found["file"]["sha256"]) == 64
    assert set(found["versions"]) == {"codetune_ui", "python", "torch", "transformers", "peft"}
    assert report_path(job).read_text("utf-8").startswith("<!doctype html>")
    assert job.status().step == job.status().total_steps == 4


def test_the_prompt_is_the_one_that_the_server_sends(run: Run, tiny_model: Path) -> None:
    rows = [infilling(n, kind="MultiLineInfilling") for n in range(2)]
    found = result(work(run, rows, "humaneval-multi-line"))
    completer = Completer.load(run.config(), tiny_model)
    completer.adapters.load(run.name, run.adapter_dir)
    ask = Ask(rows[0]["prompt"], rows[0]["suffix"], max_tokens=256)
    for side, name in (("base", None), ("adapter", run.name)):
        text = "".join(c.text for c in completer.complete(ask, name, threading.Event()))
        assert found["items"][0][side]["samples"][0]["text"] == text


def test_an_answer_to_a_line_is_one_line(home: Path, tiny_model: Path, tmp_path: Path) -> None:
    talkative = make_talkative(tiny_model, tmp_path / "talkative")
    run = add_trained_run(Home(home), talkative, "talks", max_seq_len=128)
    found = result(work(run, [infilling()], SINGLE))
    for side in ("base", "adapter"):
        assert found["items"][0][side]["samples"][0]["text"].lstrip().count("\n") <= 1


def test_samples_are_drawn_by_the_seed(run: Run) -> None:
    def texts(seed: int) -> list[str]:
        asked: dict[str, Any] = {"samples": 3, "temperature": 0.8, "seed": seed}
        found = result(work(run, [infilling()], SINGLE, **asked))
        return [one["text"] for one in found["items"][0]["base"]["samples"]]

    first = texts(0)
    assert len(first) == 3
    assert len(set(first)) > 1
    assert texts(0) == first
    assert texts(1) != first


def test_a_base_alone_is_measured(run: Run) -> None:
    found = result(work(run, [api_call()], "safim-api", alone=True))
    assert found["main"] == "same_call"
    assert "adapter" not in found["items"][0]
    assert "verdict" not in found


@on_posix
def test_programs_are_run_when_that_is_asked(run: Run) -> None:
    found = result(work(run, [infilling(n) for n in range(2)], SINGLE, run_programs=True))
    assert found["main"] == "pass@1"
    assert found["scores"]["pass@1"]["base"][0] == 0.0
    assert found["truths"] == {"run": 2, "passed": 2}
    assert [row["what"] for row in found["protections"]][:2] == ["Time, memory and disk", "Network"]
    for item in found["items"]:
        assert item["base"]["samples"][0]["passed"] is False
        assert item["base"]["samples"][0]["why"]


def test_a_wish_to_stop_leaves_no_result(run: Run) -> None:
    file = write_rows(run.home.path / "tasks.jsonl", [infilling()])
    job = create(run.home, BenchmarkRequest(set=SINGLE, run=run.name, file=str(file)))
    job.stop_path.write_text("save", encoding="utf-8")
    reporter = Reporter(job, "benchmark")
    reporter.open()
    with pytest.raises(StopRequested):
        measure(job, reporter, StopWish(job))
    reporter.close()
    assert not result_path(job).exists()


# --- programs


@on_posix
def test_the_true_answer_passes_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    one = task(SINGLE, infilling(), tmp_path)
    never = threading.Event()
    assert verdict(one.truth, one, never) == (True, "")
    assert verdict("    first = a * 3\n", one, never) == (False, "AssertionError")
    assert verdict("    first = a ** 2\n", one, never) == (True, "")
    assert verdict("    raise SystemExit\n", one, never) == (False, "SystemExit")
    left = "    import os; os._exit(0)\n"
    assert verdict(left, one, never) == (False, "it left before its tests were done")


@on_posix
def test_a_script_must_print_what_is_right_for_each_input(tmp_path: Path) -> None:
    one = task("safim-block", block(), tmp_path)
    never = threading.Event()
    assert verdict("total = total + int(word)", one, never) == (True, "")
    assert verdict("total = int(word)", one, never) == (False, "another output")
    assert verdict("print(1 / 0)", one, never) == (False, "ZeroDivisionError")
    assert verdict("exit(0)", one, never) == (False, "another output")


@on_posix
def test_the_same_program_is_run_once_and_other_languages_never(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def note(text: str, *rest: Any, **options: Any) -> tuple[bool, str]:
        asked.append(text)
        return verdict(text, *rest, **options)

    monkeypatch.setattr("codetune_ui.engine.benchmark.verdict", note)
    python = task("safim-block", block(), tmp_path)
    java = task("safim-control", java_control(), tmp_path)
    answered = [
        Answered(python, [Sample("total += 1", True, 1)], [Sample("total += 1", True, 1)]),
        Answered(java, [Sample("int i = 0", True, 1)], [Sample("int i = 0", True, 1)]),
    ]
    reporter = Reporter(run, "benchmark")
    reporter.open()
    truths = run_programs(answered, 2, reporter, StopWish(run))
    reporter.close()
    assert sorted(asked) == ["total += 1", "total += int(word)"]  # the second is the truth
    assert truths == {"run": 1, "passed": 1}
    assert [s.passed for s in (*answered[0].base, *answered[0].adapter)] == [False, False]
    assert [s.passed for s in (*answered[1].base, *answered[1].adapter)] == [None, None]


@on_posix
def test_cancel_ends_programs_that_run(run: Run, tmp_path: Path) -> None:
    one = task(SINGLE, infilling(), tmp_path)
    sleeps = "    import time; time.sleep(600); first = 0\n"
    answered = [Answered(one, [Sample(sleeps, True, 1)])]
    run.stop_path.write_text("save", encoding="utf-8")
    reporter = Reporter(run, "benchmark")
    reporter.open()
    with pytest.raises(StopRequested):
        run_programs(answered, 1, reporter, StopWish(run))
    reporter.close()
    events, _ = read_events(run.events_path)
    assert not [event for event in events if event["kind"] == "evaluate"]
