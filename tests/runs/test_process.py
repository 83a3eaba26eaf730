from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import RunError
from codetune_ui.runs.process import (
    environment,
    kill_worker,
    request_stop,
    spawn,
    start_worker,
    stop_and_wait,
    stop_in_background,
)
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run
from tests.runs.processes import (
    OBEYS_NOTHING,
    OBEYS_SIGTERM_ONLY,
    OBEYS_THE_STOP_FILE,
    WAITS_FOR_EVER,
    Engine,
    working,
)


@pytest.fixture
def run(home: Path) -> Run:
    return Home(home).create_run(Config(), "first")


def test_a_started_worker_runs_in_a_session_of_its_own(run: Run, engine: Engine) -> None:
    engine(WAITS_FOR_EVER)
    pid = start_worker(run, "train")
    assert run.state() == "running"
    assert os.getsid(pid) == pid
    kill_worker(run)
    assert run.state() == "lost"


def test_a_second_start_is_refused(run: Run, engine: Engine) -> None:
    engine(WAITS_FOR_EVER)
    start_worker(run, "train")
    with pytest.raises(RunError, match="'first' is running already"):
        start_worker(run, "train")
    kill_worker(run)


def test_a_worker_that_dies_at_once_is_reported_with_its_log(run: Run, engine: Engine) -> None:
    engine("raise SystemExit('no such module')")
    with pytest.raises(RunError, match="ended before it began"):
        start_worker(run, "train")
    assert run.log_tail() == "no such module"


def test_an_old_wish_to_stop_does_not_end_a_new_attempt(run: Run, engine: Engine) -> None:
    engine(OBEYS_THE_STOP_FILE)
    run.stop_path.write_text("save", encoding="utf-8")
    start_worker(run, "resume")
    assert run.state() == "running"
    assert stop_and_wait(run, patience_s=5) == "stopped"


def test_a_stop_asked_for_twice_is_asked_for_once(run: Run) -> None:
    with working(run):
        request_stop(run)
        request_stop(run)
        assert run.stop_path.read_text(encoding="utf-8") == "save"
        assert run.state() == "stopping"


def test_a_wish_to_discard_is_not_taken_back(run: Run) -> None:
    with working(run):
        request_stop(run)
        request_stop(run, discard=True)
        request_stop(run)
        assert run.stop_path.read_text(encoding="utf-8") == "discard"


def test_stopping_a_run_that_is_not_running_changes_nothing(run: Run) -> None:
    run.write_status(Status(state="finished"))
    assert stop_and_wait(run) == "finished"
    assert not run.stop_path.exists()


def test_the_stop_file_comes_first(run: Run) -> None:
    with working(run, OBEYS_THE_STOP_FILE):
        assert stop_and_wait(run, patience_s=5) == "stopped"


def test_a_worker_deaf_to_the_stop_file_gets_a_signal(run: Run) -> None:
    with working(run, OBEYS_SIGTERM_ONLY):
        assert stop_and_wait(run, patience_s=0.1, term_s=5) == "stopped"


def test_a_worker_deaf_to_signals_is_killed_with_its_children(run: Run) -> None:
    with working(run, OBEYS_NOTHING):
        child = psutil.Process(int((run.path / "child").read_text(encoding="utf-8")))
        assert stop_and_wait(run, patience_s=0.1, term_s=0.2) == "lost"
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_two_who_stop_one_run_send_one_signal(run: Run) -> None:
    counts_signals = OBEYS_SIGTERM_ONLY.replace(
        'say("stopped")', 'open(run.path / "signals", "a").write("x"); time.sleep(0.5)'
    )
    with working(run, counts_signals):
        threads = [
            threading.Thread(target=stop_and_wait, args=(run,), kwargs={"patience_s": 0.1})
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (run.path / "signals").read_text(encoding="utf-8") == "x"


def test_a_page_stops_a_run_without_waiting(run: Run) -> None:
    with working(run, OBEYS_THE_STOP_FILE):
        thread = stop_in_background(run)
        assert run.stop_path.exists()
        thread.join()
        assert run.state() == "stopped"


def test_a_discarded_run_has_no_adapter(run: Run) -> None:
    with working(run, OBEYS_THE_STOP_FILE):
        run.adapter_dir.mkdir()
        (run.checkpoints_dir / "step_000001").mkdir(parents=True)
        stop_and_wait(run, patience_s=5, discard=True)
    assert not run.adapter_dir.exists()
    assert list(run.checkpoints_dir.iterdir()) == []


def test_a_stranger_with_the_workers_pid_is_never_signalled(run: Run, tmp_path: Path) -> None:
    stranger_run = Home(tmp_path / "other").create_run(Config(), "theirs")
    with working(stranger_run) as stranger, working(run) as worker:
        run.write_status(stranger_run.status())  # their pid, their birth, their boot
        kill_worker(run)
        assert stop_and_wait(run, patience_s=0.0, term_s=0.1) == "stopping"
        assert stranger.poll() is None
        assert worker.poll() is None


def test_a_run_whose_lock_is_free_is_never_signalled(run: Run) -> None:
    with working(run) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        run.lock_path.unlink()
        kill_worker(run)
        assert worker.poll() is None


def test_a_worker_gets_the_home_and_no_terminal(run: Run) -> None:
    code = "import os, sys; print(os.environ['CODETUNE_HOME'], repr(sys.stdin.read()))"
    spawn([sys.executable, "-c", code], log_path=run.log_path, home=run.home.path).wait()
    assert run.log_tail() == f"{run.home.path} ''"


def test_an_ended_worker_of_ours_is_not_left_a_zombie(run: Run) -> None:
    child = spawn([sys.executable, "-c", ""], log_path=run.log_path, home=run.home.path)
    for thread in threading.enumerate():
        if thread.name == f"reap-{child.pid}":
            thread.join()
    assert not psutil.pid_exists(child.pid)


def test_a_launchers_seat_is_not_handed_on_to_a_worker(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "3")
        assert name not in environment(home)
