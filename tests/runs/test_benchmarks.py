from __future__ import annotations

import os
from pathlib import Path

import pytest

from codetune_ui.core.benchmark import BenchmarkRequest
from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, RunError, SourceError
from codetune_ui.runs.benchmarks import (
    create,
    find_run,
    latest_job,
    read_request,
    report_path,
    result_path,
    results,
    write_result,
)
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Home, Run
from tests.core.benchmarks import infilling, write_rows
from tests.core.test_benchmark import made, sample

SET = "humaneval-single-line"


@pytest.fixture
def run(home: Path) -> Run:
    found = Home(home).create_run(Config(base_model="demo", source="demo"), "calm-otter")
    found.adapter_dir.mkdir()
    return found


def test_a_benchmark_works_in_a_folder_of_its_own(run: Run) -> None:
    request = BenchmarkRequest(set=SET, run="calm-otter", limit=3)
    job = create(run.home, request)
    assert job.path.parent == run.home.path / "benchmarks"
    assert read_request(job) == request
    assert find_run(job) == run
    assert job.config() == run.config()
    assert run.status().state == "created"  # the run's own files are left as they are


def test_a_base_alone_is_measured_without_a_run(home: Path) -> None:
    config = Config(base_model="demo", source="demo")
    job = create(Home(home), BenchmarkRequest(set=SET), config)
    assert find_run(job) is None
    assert result_path(job) == home / "benchmarks" / "of-bases" / f"{job.name}.json"


def test_neither_a_run_nor_a_model_is_refused(home: Path) -> None:
    with pytest.raises(RunError, match="Neither a run nor a model"):
        create(Home(home), BenchmarkRequest(set=SET))


def test_a_run_without_an_adapter_is_refused(run: Run) -> None:
    run.adapter_dir.rmdir()
    with pytest.raises(RunError, match="'calm-otter' has no adapter yet"):
        create(run.home, BenchmarkRequest(set=SET, run="calm-otter"))


def test_a_file_that_is_not_there_is_refused_at_once(run: Run) -> None:
    with pytest.raises(SourceError, match=r"There is no file 'gone\.jsonl'"):
        create(run.home, BenchmarkRequest(set=SET, run="calm-otter", file="gone.jsonl"))


def test_a_file_is_named_in_full_for_the_worker(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "a.jsonl", [infilling()])
    monkeypatch.chdir(tmp_path)
    job = create(run.home, BenchmarkRequest(set=SET, run="calm-otter", file="a.jsonl"))
    assert Path(read_request(job).file).is_absolute()


def test_on_windows_no_program_is_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    request = BenchmarkRequest(set=SET, run="calm-otter", run_programs=True)
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(MachineError, match="On Windows"):
        create(run.home, request)


def test_the_result_lies_with_the_run_as_json_and_as_a_page(run: Run) -> None:
    job = create(run.home, BenchmarkRequest(set=SET, run="calm-otter"))
    found = made((sample(), sample()))
    write_result(job, found)
    assert result_path(job) == run.path / "benchmarks" / f"{job.name}.json"
    assert read_json(result_path(job)) == found
    assert "calm-otter" in report_path(job).read_text("utf-8")
    assert results(run.home, run) == [result_path(job)]


def test_the_newest_of_a_run_is_found(run: Run) -> None:
    create(run.home, BenchmarkRequest(set=SET), run.config())
    assert latest_job(run.home, "calm-otter") is None
    job = create(run.home, BenchmarkRequest(set=SET, run="calm-otter"))
    assert latest_job(run.home, "calm-otter") == job
