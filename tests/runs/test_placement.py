from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError, RunError
from codetune_ui.runs.elsewhere import place
from codetune_ui.runs.lock import hold
from codetune_ui.runs.placement import (
    Placement,
    parse_placement,
    read_placement,
    whereabouts,
    write_placement,
)
from codetune_ui.runs.store import Home, Run


@pytest.fixture
def run(home: Path) -> Run:
    return Home(home).create_run(Config(), "first")


def test_here_is_no_placement() -> None:
    assert parse_placement("here") is None


def test_slurm_alone_has_a_time_limit_of_its_own() -> None:
    assert parse_placement("slurm") == Placement(on="slurm", options={"time": "12:00:00"})


def test_a_value_may_hold_commas() -> None:
    placement = parse_placement("slurm:nodelist=a1,a2,gpus=2")
    assert placement is not None
    assert placement.options["nodelist"] == "a1,a2"
    assert placement.options["gpus"] == "2"


@pytest.mark.parametrize(
    "text",
    [
        *("", "lsf", "here:partition=gpu", "slurm:gpu", "slurm:partition=", "slurm:=1"),
        *("slurm:output=/tmp/x", "slurm:export=ALL", "slurm:wrap=ls", "sky:autostop=1"),
        "slurm:partition=gpu\n#SBATCH --wrap=ls",
    ],
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_placement(text)


def test_a_placement_survives_the_trip_through_its_file(run: Run) -> None:
    placement = Placement(on="slurm", options={"partition": "gpu"}, job="17", ticket="abc")
    write_placement(run.path, placement)
    assert read_placement(run.path) == placement
    write_placement(run.path, None)
    assert read_placement(run.path) is None


def test_a_run_on_this_machine_says_nothing_of_its_place(run: Run) -> None:
    assert whereabouts(run.path) == ""


def test_a_run_says_where_its_code_goes(run: Run) -> None:
    place(run, parse_placement("slurm:partition=gpu"))
    assert whereabouts(run.path) == (
        f"On Slurm, partition 'gpu': its nodes read your code, and write, in {run.path}."
    )
    place(run, parse_placement("sky:infra=k8s"))
    assert whereabouts(run.path) == (
        "With SkyPilot on k8s: your code, the model and this run are copied there."
    )


def test_a_run_at_work_is_not_moved(run: Run) -> None:
    with hold(run.lock_path), pytest.raises(RunError, match="is running"):
        place(run, parse_placement("slurm"))
    assert read_placement(run.path) is None
