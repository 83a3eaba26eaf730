"""A night of the queue: real workers, and an app and a keeper that are killed on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.doctor import port_is_free
from codetune_ui.runs.lock import is_held
from codetune_ui.runs.queue import enter, keeper_lock, waiting
from codetune_ui.runs.store import Home, Run
from tests.quick_run import tiny_config

RUNS = 10
PATIENCE_S = 600.0  # two busy cores; it takes about ten seconds a run


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def app(home: Home) -> Iterator[None]:
    """Open the page's process, and end it as a crash would, with the keeper it started."""
    port = next(port for port in range(18_000, 19_000) if port_is_free(port))
    command = [sys.executable, "app.py", "--no-browser", "--home", str(home.path)]
    with (home.path / "app.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=PROJECT_ROOT, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: _answers(port))
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        for keeper in _keepers(home):
            keeper.kill()
            keeper.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ct-api/run", timeout=2):
            return True
    except OSError:
        return False


def _keepers(home: Home) -> list[psutil.Process]:
    wanted = ["codetune_ui.runs.keeper", str(home.path)]
    return [one for one in psutil.process_iter() if _command(one)[-2:] == wanted]


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def test_ten_queued_runs_finish_in_order_though_app_and_keeper_are_killed_twice(
    home: Path, tiny_model: Path, code_folder: Path
) -> None:
    there = Home(home)
    config = tiny_config(tiny_model, code_folder).replace(max_steps=2)
    runs: list[Run] = [there.create_run(config, f"run-{number}") for number in range(RUNS)]
    with app(there):
        enter(there, runs)
        wait_for(lambda: runs[2].state() == "finished")
    assert not is_held(keeper_lock(there))
    assert waiting(there)
    with app(there):
        wait_for(lambda: runs[5].state() == "finished")
    with app(there):
        wait_for(lambda: all(run.state() == "finished" for run in runs))
        wait_for(lambda: not is_held(keeper_lock(there)))
    assert waiting(there) == []
    begun = [run.status().started for run in runs]
    assert begun == sorted(begun)
    ended = [run.status().updated for run in runs]
    assert all(end <= begin for end, begin in zip(ended, begun[1:], strict=False))
