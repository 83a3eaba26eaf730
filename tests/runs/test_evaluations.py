from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import RunError
from codetune_ui.core.evaluation import Request
from codetune_ui.runs.evaluations import (
    create,
    find_run,
    read_request,
    report_path,
    result_path,
    write_result,
)
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Home, Run
from tests.core.made import filled, made


@pytest.fixture
def run(home: Path) -> Run:
    found = Home(home).create_run(Config(base_model="demo", source="demo"), "calm-otter")
    found.adapter_dir.mkdir()
    return found


def test_an_evaluation_works_in_a_folder_of_its_own(run: Run) -> None:
    request = Request(run="calm-otter", holes=7, kinds=("rest",))
    job = create(run.home, request)
    assert job.path.parent == run.home.path / "evaluations"
    assert job.home == run.home
    assert find_run(job) == run
    assert read_request(job) == request
    assert job.config() == run.config()
    assert run.status().state == "created"  # the run's own files are left as they are


def test_a_run_without_an_adapter_is_refused(run: Run) -> None:
    run.adapter_dir.rmdir()
    with pytest.raises(RunError, match="'calm-otter' has no adapter yet"):
        create(run.home, Request(run="calm-otter"))


def test_the_result_lies_with_the_run_as_json_and_as_a_page(run: Run) -> None:
    job = create(run.home, Request(run="calm-otter"))
    found = made(filled("a = 1", "a = 2", "a = 1"))
    write_result(job, found)
    assert result_path(job) == run.path / "evaluation" / f"{job.name}.json"
    assert read_json(result_path(job)) == found
    assert found["sentence"] in report_path(job).read_text("utf-8")


def test_only_the_last_ten_folders_of_evaluations_are_kept(run: Run) -> None:
    jobs = [create(run.home, Request(run="calm-otter")) for _ in range(12)]
    assert sum(job.path.exists() for job in jobs) == 10
    assert jobs[-1].path.exists()
