"""`prepare` over processes, by the optional engine, and `train --rows` on what it made."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codetune_ui.commands.shared import config_from
from codetune_ui.engine.prepare import Preparation
from codetune_ui.runs import prepared
from codetune_ui.runs.process import launch, request_stop
from codetune_ui.runs.store import Home
from tests.calling import SHORT, call, last_json, refused
from tests.tiny import write_code

ROWS = ["held_out.jsonl", "train.rows", "val.rows"]
SHORTER = [*SHORT, "--set", "max_steps=4"]
SHORT_SET = [word for word in SHORTER if "=" in word]


@pytest.fixture
def engine() -> None:
    pytest.importorskip("datatrove", reason="pip install -r requirements-cluster.txt")


@pytest.mark.usefixtures("engine")
def test_one_and_two_processes_write_the_bytes_of_the_usual_path(
    home: Path, tiny_model: Path, code_folder: Path
) -> None:
    options = [*SHORTER, "--model", tiny_model, "--data", code_folder, "--json"]
    for processes in (1, 2):
        name = f"by-{processes}"
        many = ["--processes", processes, "--tasks", 3, "--name", name]
        result = last_json(call("prepare", *options, *many))
        assert (result["train_rows"], result["kept"], result["found"]) == (8, 24, 24)
        assert [step["tasks"] for step in result["steps"]] == [3, 1, 3, 1]
    usual = Home(home).create_run(Home(home).prepared("by-1").config(), "usual")
    usual.dataset_dir.mkdir()
    Preparation(usual, tiny_model).write()
    for name in (*ROWS, "manifest.json"):
        expected = (usual.dataset_dir / name).read_bytes()
        for run in (Home(home).prepared("by-1"), Home(home).prepared("by-2")):
            assert (run.dataset_dir / name).read_bytes() == expected, name


@pytest.mark.usefixtures("engine")
def test_a_run_begins_with_prepared_rows_and_reads_no_code(
    home: Path, tiny_model: Path, tmp_path: Path
) -> None:
    code = write_code(tmp_path / "code")
    options = ["--model", tiny_model, "--data", code, "--name", "rows", "--json"]
    last_json(call("prepare", *SHORTER, *options))
    shutil.rmtree(code)
    begun = ["--rows", "rows", "--name", "run", "--json", "--set"]
    refused(call("train", *begun, "seed=3"), "were cut with another seed")
    refused(call("train", *begun, "max_steps=5"), "has rows for 4 steps")
    answer = last_json(call("train", *begun, "learning_rate=0.01"))
    assert (answer["state"], answer["steps"]) == ("finished", 4)
    assert Home(home).run("run").config().learning_rate == 0.01


@pytest.mark.usefixtures("engine")
def test_one_that_was_stopped_goes_on_with_what_is_not_done(
    home: Path, tiny_model: Path, code_folder: Path
) -> None:
    given = [*SHORTER, "--model", tiny_model, "--data", code_folder, "--name", "again"]
    settings = config_from("demo", str(tiny_model), [str(code_folder)], None, None, SHORT_SET)
    job = prepared.create(Home(home), settings, "again", prepared.Asked(tasks=6))
    launch(job, "prepare")
    done = job.path / "tasks" / "read" / "completions"
    until(lambda: (done / "00000").exists())
    request_stop(job)
    until(lambda: not job.alive())
    assert job.state() == "stopped"
    first = (done / "00000").stat().st_mtime_ns
    result = last_json(call("prepare", *given, "--json"))
    assert result["train_rows"] == 8
    assert (done / "00000").stat().st_mtime_ns == first
    refused(call("prepare", *given), "'again' is prepared already")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_without_the_engine_it_is_refused_with_a_way_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "find_spec", lambda _: None)
    refused(call("prepare"), "datatrove is missing", "pip install -r requirements-cluster.txt")
    assert not Home(home).prepared_dir.exists()


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "find_spec", lambda _: object())


@pytest.mark.usefixtures("pretended")
def test_what_cannot_be_divided_is_refused() -> None:
    refused(call("prepare", "--data", "hub:a/b"), "cannot be divided", "Download its files")
    refused(call("prepare", "--on", "sky:infra=k8s"), "here, or on a partition of Slurm")


def test_rows_that_are_not_there_or_not_whole_are_refused(home: Path) -> None:
    refused(call("train", "--rows", "none"), "There is no preparation 'none'")
    Home(home).create_prepared(config_from("demo", *[None] * 5), "half")
    refused(call("train", "--rows", "half"), "'half' is not prepared to its end")
    refused(call("train", "--rows", "half", "--preset", "demo"), "bring their settings")


def test_a_pattern_names_many_shards_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.jsonl").write_text("")
    config = config_from(None, None, [f"{tmp_path}/*.jsonl *0.5"], None, None, None)
    assert config.source == "; ".join(f"{tmp_path}/{name}.jsonl *0.5" for name in "abc")
    odd = ["--data", f"{tmp_path}/*.parquet"]
    refused(call("scan", *odd), "No file is named by", "Check the pattern")
