from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError, MachineError, RunError
from codetune_ui.core.evaluation import Request
from codetune_ui.core.own_holes import own_hole
from codetune_ui.runs.evaluations import (
    compare,
    create,
    find_evaluation,
    find_result,
    find_run,
    read_request,
    report_path,
    result_path,
    start,
    under_way,
    write_result,
)
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.lease import acquire
from codetune_ui.runs.lock import hold
from codetune_ui.runs.own_holes import keep
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


def kept(run: Run, name: str, **changes: Any) -> str:
    """Put an evaluation into a run's folder, and return what it is called."""
    found = made(filled("a = 1", "a = 2", "a = 1"), filled("b = 1", "b = 1", "b = 3"))
    folder = run.path / "evaluation"
    folder.mkdir(exist_ok=True)
    replace_json(folder / f"{name}.json", found | {"holes_id": "abc"} | changes)
    return f"{run.name}/{name}"


def test_another_evaluations_holes_bring_its_seed_kinds_and_count(run: Run) -> None:
    reference = kept(run, "20261123-1")
    job = create(run.home, Request(run="calm-otter", seed=7, holes_of=reference))
    asked = read_request(job)
    assert (asked.seed, asked.holes, asked.kinds) == (0, 2, ("line",))
    assert asked.holes_of == reference


@pytest.mark.parametrize(
    "reference", ["calm-otter", "calm-otter/", "calm-otter/../../config", "/x"]
)
def test_a_name_that_is_no_evaluation_is_refused(run: Run, reference: str) -> None:
    kept(run, "20261123-1")
    with pytest.raises(RunError, match="evaluation"):
        find_evaluation(run.home, reference)


def test_an_evaluation_is_called_by_its_runs_name_of_today(run: Run) -> None:
    kept(run, "20261123-1")
    renamed = run.home.rename(run, "brisk-finch")
    found = find_evaluation(renamed.home, "brisk-finch/20261123-1")
    assert (found["run"], found["id"]) == ("brisk-finch", "20261123-1")


def test_holes_of_an_older_version_cannot_be_filled_again(run: Run) -> None:
    reference = kept(run, "20261123-1")
    path = find_result(run.home, reference)
    values = read_json(path) or {}
    del values["holes_id"]
    replace_json(path, values)
    with pytest.raises(RunError, match="older version"):
        create(run.home, Request(run="calm-otter", holes_of=reference))


def test_own_holes_alone_need_an_own_hole(run: Run) -> None:
    with pytest.raises(ConfigError, match="no hole of your own"):
        create(run.home, Request(run="calm-otter", kinds=("own",)))
    keep(run.home, own_hole("x = ", "1", "\n"))
    assert read_request(create(run.home, Request(run="calm-otter", kinds=("own",)))).kinds == (
        "own",
    )


def test_one_evaluation_at_a_time(run: Run) -> None:
    job = create(run.home, Request(run="calm-otter"))
    with hold(job.lock_path):
        assert under_way(run.home) == job
        with pytest.raises(RunError, match="'calm-otter' is being evaluated already"):
            start(run.home, Request(run="calm-otter"))
    assert under_way(run.home) is None


def test_who_has_the_accelerator_is_named(run: Run) -> None:
    with (
        acquire(run.home, "brisk-finch", "training"),
        pytest.raises(MachineError, match="'brisk-finch' is using the GPU"),
    ):
        start(run.home, Request(run="calm-otter"))


def test_runs_are_compared_by_their_newest_evaluations_of_the_same_holes(run: Run) -> None:
    other = run.home.create_run(Config(base_model="demo", source="demo"), "brisk-finch")
    kept(run, "20261121-1", holes_id="old")
    kept(run, "20261123-1")
    kept(other, "20261120-1")
    kept(other, "20261124-1", holes_id="new")
    found = compare(run.home, "calm-otter", "brisk-finch")
    assert (found["first"], found["second"]) == ("calm-otter/20261123-1", "brisk-finch/20261120-1")


def test_runs_without_common_holes_are_refused_with_a_way_out(run: Run) -> None:
    other = run.home.create_run(Config(base_model="demo", source="demo"), "brisk-finch")
    with pytest.raises(RunError, match="'calm-otter' has not been evaluated yet"):
        compare(run.home, "calm-otter", "brisk-finch")
    kept(run, "20261123-1")
    kept(other, "20261124-1", holes_id="new")
    with pytest.raises(
        RunError, match="Evaluate brisk-finch on the holes of calm-otter/20261123-1"
    ):
        compare(run.home, "calm-otter", "brisk-finch")
