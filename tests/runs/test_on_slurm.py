"""Runs on a real Slurm of two nodes, set up for these tests: `pytest -m slurm`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codetune_ui.core.errors import ConfigError, MachineError
from codetune_ui.core.presets import preset
from codetune_ui.runs import process, slurm
from codetune_ui.runs.elsewhere import choose, place
from codetune_ui.runs.events import read_events
from codetune_ui.runs.lease import holder
from codetune_ui.runs.lock import is_held
from codetune_ui.runs.placement import queued, whereabouts
from codetune_ui.runs.process import kill_worker, request_stop, start_worker, stop_and_wait
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.live import Live
from tests.calling import call, last_json
from tests.quick_run import tiny_config
from tests.slurm import cluster, missing

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(missing()), reason=f"not on this machine: {missing()}"),
]
ON = "slurm:partition=small,time=00:20:00"
SECRET = "hf_itMayNotLeaveThisMachine"


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with cluster(tmp_path_factory.mktemp("slurm")) as conf:
        yield conf


@pytest.fixture(autouse=True)
def _here(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", str(conf))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setattr(slurm, "QUEUE", slurm.Queue())  # each test may set up a cluster anew


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path, code_folder: Path) -> Iterator[Run]:
    home = Home(tmp_path / "a home on NFS")
    run = home.create_run(tiny_config(tiny_model, code_folder), "far")
    place(run, choose(ON))
    yield run
    kill_worker(run)


def until(condition: Callable[[], object], run: Run, wait_s: float = 120.0) -> None:
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, f"{run.status()}\n{run.log_tail()}"
        time.sleep(0.1)


def reaches(run: Run, step: int) -> Callable[[], bool]:
    return lambda: run.status().step >= step


@pytest.fixture
def full(conf: Path) -> Iterator[None]:
    """Keep both nodes busy with somebody else's job for the length of a test."""
    del conf
    busy = ["srun", "--nodes=2", "--exclusive", "--job-name=other", "sleep", "600"]
    with subprocess.Popen(busy, stderr=subprocess.DEVNULL) as other:
        running = ["squeue", "--noheader", "--name=other", "--states=RUNNING"]
        deadline = time.monotonic() + 30.0
        while not subprocess.run(running, capture_output=True, check=True).stdout:
            assert time.monotonic() < deadline, "the nodes are not free"
            time.sleep(0.1)
        yield
        subprocess.run(["scancel", "--name=other"], check=True)
        other.wait()


def test_a_run_is_trained_on_a_node_stopped_resumed_and_lies_at_home(run: Run) -> None:
    start_worker(run, "train")
    assert run.state() in ("preparing", "running")
    until(reaches(run, 60), run)
    # --- the page sees it as a run of its own, and where it is
    view = Live(run.home).tick(run.name, 0)["view"]
    placement = queued(run.path)
    assert placement is not None
    assert view["state"] == "running"
    assert view["step"] >= 60
    assert view["can"] == ["stop"]
    assert view["where"] == f"On Slurm, partition 'small', job {placement.job}: " + (
        f"its nodes read your code, and write, in {run.path}."
    )
    # --- this machine's own GPU stays free, and no lock here tells of the run
    assert holder(run.home) is None
    assert not is_held(run.lock_path)
    # --- stopped, and saved
    assert stop_and_wait(run) == "stopped"
    stopped_at = run.status().step
    assert (run.adapter_dir / "adapter_model.safetensors").is_file()
    # --- resumed as another job of Slurm's
    start_worker(run, "resume")
    until(reaches(run, stopped_at + 20), run)
    again = queued(run.path)
    assert again is not None
    assert again.job != placement.job
    events, _ = read_events(run.events_path)
    assert [event["step"] for event in events if event["kind"] == "resume"] == [stopped_at]
    assert stop_and_wait(run) == "stopped"


def test_the_demo_on_two_nodes_is_stopped_resumed_and_lies_at_home(home: Path) -> None:
    run = Home(home).create_run(preset("demo", processes=2, global_batch_rows=2), "wide")
    place(run, choose(f"{ON},nodes=2"))
    start_worker(run, "train")
    until(reaches(run, 4), run)
    placement = queued(run.path)
    assert placement is not None
    wanted = ["squeue", "--noheader", "--format=%D %N", f"--jobs={placement.job}"]
    found = subprocess.run(wanted, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "2 n[1-2]"
    assert whereabouts(run.path).startswith("On Slurm, partition 'small', 2 nodes, job ")
    assert stop_and_wait(run) == "stopped"
    stopped_at = run.status().step
    start_worker(run, "resume")
    until(reaches(run, stopped_at + 4), run)
    assert stop_and_wait(run) == "stopped"
    assert (run.adapter_dir / "adapter_model.safetensors").is_file()


def test_processes_that_nodes_cannot_share_are_refused(run: Run) -> None:
    place(run, choose(f"{ON},nodes=2"))
    with pytest.raises(ConfigError, match="1 processes cannot be spread over 2 nodes"):
        start_worker(run, "train")
    assert run.state() == "created"


def test_a_job_in_the_queue_says_so_and_is_stopped_before_it_begins(run: Run, full: None) -> None:
    del full
    start_worker(run, "train")
    until(lambda: "queue" in run.status().phase, run, 10.0)
    assert run.state() == "preparing"
    assert (
        Live(run.home).tick(run.name, 0)["view"]["headline"]
        == "Waiting in Slurm's queue (Resources)."
    )
    request_stop(run)
    assert run.state() == "stopped"
    assert not run.events_path.exists()


def test_a_job_that_waits_begins_when_there_is_room(run: Run, full: None) -> None:
    del full
    start_worker(run, "train")
    until(lambda: "queue" in run.status().phase, run, 10.0)
    subprocess.run(["scancel", "--name=other"], check=True)
    until(reaches(run, 1), run)
    assert run.state() == "running"
    assert stop_and_wait(run, discard=True) == "stopped"
    assert not run.adapter_dir.exists()


def test_a_job_cancelled_by_an_administrator_saves_and_is_stopped(run: Run) -> None:
    start_worker(run, "train")
    until(reaches(run, 5), run)
    placement = queued(run.path)
    assert placement is not None
    subprocess.run(["scancel", placement.job], check=True)
    until(lambda: not run.alive(), run, 30.0)
    assert run.state() == "stopped"
    assert (run.adapter_dir / "adapter_model.safetensors").is_file()


def test_a_job_whose_worker_dies_is_lost_and_can_be_resumed(run: Run) -> None:
    start_worker(run, "train")
    until(lambda: (run.checkpoints_dir / "step_000050" / "MANIFEST.json").exists(), run)
    os.kill(Status.read(run.status_path).pid, signal.SIGKILL)  # the node is this machine
    until(lambda: not run.alive(), run, 30.0)
    assert run.state() == "lost"
    view = Live(run.home).tick(run.name, 0)["view"]
    assert view["hint"] == "Resume goes on from step 50."
    assert "resume" in view["can"]
    start_worker(run, "resume")
    until(reaches(run, 60), run)
    assert stop_and_wait(run) == "stopped"


def test_a_run_whose_time_is_nearly_up_saves_and_stops(run: Run) -> None:
    place(run, choose("slurm:partition=small,time=00:04:00"))
    start_worker(run, "train")
    until(reaches(run, 1), run)
    until(lambda: not run.alive(), run, 240.0)
    assert run.state() == "stopped"
    assert not run.stop_path.exists()
    assert (run.adapter_dir / "adapter_model.safetensors").is_file()


def test_a_job_that_is_put_back_goes_on_by_itself(run: Run) -> None:
    start_worker(run, "train")
    until(lambda: (run.checkpoints_dir / "step_000050" / "MANIFEST.json").exists(), run)
    placement = queued(run.path)
    assert placement is not None
    subprocess.run(["scontrol", "requeue", placement.job], check=True)
    until(lambda: "queue" in run.status().phase, run, 30.0)
    assert run.alive()
    until(
        lambda: any(event["kind"] == "resume" for event in read_events(run.events_path)[0]),
        run,
        300.0,
    )
    assert stop_and_wait(run) == "stopped"


def test_a_worker_that_sees_no_stop_file_is_asked_by_slurm(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_worker(run, "train")
    until(reaches(run, 1), run)
    monkeypatch.setattr(process, "request_stop", lambda *_, **__: None)
    assert stop_and_wait(run, patience_s=0.0, term_s=30.0) == "stopped"
    assert (run.adapter_dir / "adapter_model.safetensors").is_file()


def test_a_worker_whose_ticket_is_an_older_one_leaves_the_run_alone(run: Run, full: None) -> None:
    del full
    start_worker(run, "train")
    placement = queued(run.path)
    assert placement is not None
    before = Status.read(run.status_path)
    worker = [sys.executable, "-m", "codetune_ui.engine.worker", "train", str(run.path)]
    env = {"CODETUNE_TICKET": "of another job", "PATH": ""}
    done = subprocess.run(worker, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert Status.read(run.status_path) == before
    request_stop(run)


def test_no_secret_of_the_environment_reaches_slurm(run: Run, full: None) -> None:
    del full
    start_worker(run, "train")
    placement = queued(run.path)
    assert placement is not None
    told = subprocess.run(
        ["scontrol", "write", "batch_script", placement.job, "-"], capture_output=True, check=True
    )
    assert b"submitit" in told.stdout
    written = [path.read_bytes() for path in (run.path / "slurm").iterdir() if path.is_file()]
    assert not any(SECRET.encode() in text for text in [told.stdout, *written])
    request_stop(run)


def test_a_partition_that_slurm_does_not_have_costs_one_sentence(run: Run) -> None:
    place(run, choose("slurm:partition=nowhere"))
    with pytest.raises(MachineError) as refused:
        start_worker(run, "train")
    assert str(refused.value) == (
        "Slurm refused the job: invalid partition specified: nowhere. Change what is asked of it."
    )
    assert run.state() == "created"


def test_the_command_line_trains_on_slurm_and_says_where(home: Path) -> None:
    done = call("train", "--on", ON, "--name", "demo", "--set", "max_steps=4", "--json")
    answer = last_json(done)
    assert answer["state"] == "finished"
    assert answer["steps"] == 4
    assert Path(answer["adapter"]).is_relative_to(home)
    run = Home(home).run("demo")
    assert whereabouts(run.path).startswith("On Slurm, partition 'small', job ")


def test_a_run_is_resumed_here_when_asked(run: Run) -> None:
    start_worker(run, "train")
    until(reaches(run, 20), run)
    assert stop_and_wait(run) == "stopped"
    place(run, choose("here"))
    start_worker(run, "resume")
    assert is_held(run.lock_path)
    assert stop_and_wait(run) == "stopped"
