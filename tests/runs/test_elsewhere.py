"""A run in a queue, beside a Slurm that answers as told; with a real one: test_on_slurm.py."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.runs import slurm
from codetune_ui.runs.elsewhere import choose, claim
from codetune_ui.runs.lease import acquire, holder
from codetune_ui.runs.lock import LockHeldError, hold
from codetune_ui.runs.placement import TICKET, Placement, read_placement, write_placement
from codetune_ui.runs.process import kill_worker, launch, request_stop
from codetune_ui.runs.slurm import read_queue
from codetune_ui.runs.state import State, Status
from codetune_ui.runs.store import Home, Run

Says = Callable[[str | None], None]
MINE = "the ticket of this attempt"


@pytest.fixture
def run(home: Path) -> Run:
    run = Home(home).create_run(Config(), "first")
    write_placement(run.path, Placement(on="slurm", job="17", ticket=MINE))
    return run


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """Put programs of Slurm's names first on the path; squeue says what a test tells it to."""
    programs = tmp_path / "programs"
    programs.mkdir()
    answer = tmp_path / "answer"

    def program(name: str, text: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o700)

    program(
        "scancel",
        f'echo "scancel $*" >> "{tmp_path}/called"; [ -f "{tmp_path}/stay" ] || : > "{answer}"',
    )
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def says(line: str | None) -> None:
        program("squeue", "exit 1" if line is None else f'cat "{answer}"')
        answer.write_text(line or "")
        monkeypatch.setattr(slurm, "QUEUE", slurm.Queue())

    says("")
    return says


def written(run: Run, state: State, **more: object) -> None:
    now = time.time()
    run.write_status(Status(state=state, job="train", ticket=MINE, updated=now).replace(**more))


def test_a_waiting_job_says_why(run: Run, squeue: Says) -> None:
    written(run, "preparing")
    squeue("17|PENDING|Resources|\n")
    assert run.state() == "preparing"
    assert run.status().phase == "Waiting in Slurm's queue (Resources)"


def test_a_reason_may_hold_spaces_and_commas() -> None:
    seen = read_queue("17|PENDING|ReqNodeNotAvail, UnavailableNodes:n1|\n")["17"]
    assert seen.reason == "ReqNodeNotAvail, UnavailableNodes:n1"


def test_a_job_without_a_worker_yet_says_where_it_begins(run: Run, squeue: Says) -> None:
    written(run, "preparing")
    squeue("17|RUNNING|None|n2\n")
    assert run.status().phase == "Starting on n2"


def test_a_job_that_slurm_put_back_waits_again(run: Run, squeue: Says) -> None:
    written(run, "running", pid=4711, step=70)
    squeue("17|PENDING|BeginTime|\n")
    assert (run.state(), run.status().step) == ("preparing", 70)


def test_a_job_that_made_room_for_another_waits_again(run: Run, squeue: Says) -> None:
    written(run, "stopped", pid=4711, step=70)
    squeue("17|PENDING|BeginTime|\n")
    assert run.alive()
    assert run.state() == "preparing"
    assert run.status().phase == "Waiting in Slurm's queue (BeginTime)"


def test_a_run_that_a_person_stopped_is_over_whatever_slurm_says(run: Run, squeue: Says) -> None:
    written(run, "stopped", pid=4711)
    run.stop_path.write_text("save")
    squeue("17|PENDING|BeginTime|\n")
    assert run.state() == "stopped"
    assert not run.alive()


def test_a_job_that_slurm_has_no_more_is_lost(run: Run, squeue: Says) -> None:
    written(run, "running", pid=4711)
    squeue("18|RUNNING|None|n1\n")
    assert run.state() == "lost"


def test_a_worker_s_last_word_counts_before_slurm_has_tidied_up(run: Run, squeue: Says) -> None:
    written(run, "finished", pid=4711)
    squeue("17|COMPLETING|None|n1\n")
    assert run.state() == "finished"
    assert not run.alive()


def test_an_end_of_the_attempt_before_is_not_the_end_of_this_one(run: Run, squeue: Says) -> None:
    written(run, "stopped", ticket="of the attempt before")
    squeue("17|RUNNING|None|n1\n")
    assert run.alive()


def test_where_slurm_does_not_answer_the_heartbeat_decides(run: Run, squeue: Says) -> None:
    squeue(None)
    written(run, "running", pid=4711)
    assert run.state() == "running"
    written(run, "running", pid=4711, updated=time.time() - 3600)
    assert run.state() == "lost"


def test_a_job_newer_than_the_last_answer_is_asked_for_anew(squeue: Says, tmp_path: Path) -> None:
    squeue("")
    assert slurm.look("1") == slurm.GONE
    (tmp_path / "answer").write_text("17|RUNNING|None|n1")
    seen = slurm.look("17")
    assert seen is not None
    assert seen.live


def test_a_job_that_waits_is_taken_back_by_a_stop(run: Run, squeue: Says, tmp_path: Path) -> None:
    written(run, "preparing")
    squeue("17|PENDING|Priority|\n")
    request_stop(run)
    assert (tmp_path / "called").read_text() == "scancel --state=PENDING 17\n"
    assert run.state() == "stopped"


def test_a_job_that_began_meanwhile_is_left_to_the_stop_file(
    run: Run, squeue: Says, tmp_path: Path
) -> None:
    written(run, "preparing")
    squeue("17|PENDING|Priority|\n")
    (tmp_path / "stay").touch()
    request_stop(run)
    assert Status.read(run.status_path).state == "preparing"
    assert run.stop_path.read_text() == "save"


def test_no_process_of_this_machine_is_hit_for_a_run_elsewhere(
    run: Run, squeue: Says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.Process.kill", lambda _: pytest.fail("it hit a stranger"))
    mine = Status.begin("train")
    run.write_status(mine.replace(state="running", ticket=MINE))
    squeue("17|RUNNING|None|n1\n")
    kill_worker(run)
    assert (tmp_path / "called").read_text() == "scancel 17\n"


def test_a_run_in_a_queue_is_not_handed_over_twice(run: Run, squeue: Says) -> None:
    written(run, "preparing")
    squeue("17|PENDING|Priority|\n")
    with pytest.raises(RunError, match="is running already"):
        launch(run, "train")


def test_of_two_who_hand_a_run_over_at_once_one_is_told(run: Run, squeue: Says) -> None:
    squeue("")
    before = read_placement(run.path)
    with hold(run.lock_path), pytest.raises(RunError, match="is running already"):
        launch(run, "train")
    assert read_placement(run.path) == before


def test_without_slurm_s_commands_it_says_where_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineError, match="Slurm's commands are not on this machine"):
        choose("slurm")


def test_without_submitit_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MachineError, match=r"pip install -r requirements-cluster\.txt"):
        choose("slurm")


def test_a_worker_claims_a_run_by_the_ticket_of_its_submission(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TICKET, MINE)
    with claim(run.path, run.lock_path):
        assert not run.lock_path.exists()
    monkeypatch.setenv(TICKET, "of the attempt before")
    with pytest.raises(LockHeldError), claim(run.path, run.lock_path):
        pytest.fail("it is another's run")


def test_a_node_leaves_the_accelerator_of_the_home_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acquire(Home(home), "playground", "answering"):
        assert holder(Home(home)) is not None
        monkeypatch.setenv(TICKET, MINE)
        assert holder(Home(home)) is None  # so that it does not end the playground's server
        with acquire(Home(home), "far", "training"):
            assert holder(Home(home)) is None
