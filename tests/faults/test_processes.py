"""Faults of pages, starts and helpers: real processes, without torch."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import RunError
from codetune_ui.runs import process
from codetune_ui.runs.process import kill_worker, launch, spawn, start_worker, stop_and_wait
from codetune_ui.runs.store import Home, Run
from tests.runs.processes import BEGIN, OBEYS_THE_STOP_FILE, WAITS_FOR_EVER, working

PATIENCE_S = 240.0

TRAINS_AND_TELLS = (
    BEGIN
    + """
    from codetune_ui.runs.events import EventWriter
    events = EventWriter(run.events_path)
    print("ready", flush=True)
    step = 0
    while not run.stop_path.exists():
        step += 1
        events.write("train", step=step, loss=1.0, tokens=step, tokens_per_s=1.0)
        time.sleep(0.05)
    say("stopped")
"""
)

OWN_CLOCK = """
import os, time
real = time.time
def told():
    with open(os.environ["CLOCK_IS_AHEAD"]) as file:
        return real() + 86_400 * int(file.read())
time.time = told
"""


@pytest.fixture
def run(home: Path) -> Run:
    return Home(home).create_run(Config(), "first")


def until(true: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


def test_of_two_starts_at_once_one_begins_and_the_other_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier = threading.Barrier(2)

    def spawn_small(command: list[str], **where: Path) -> subprocess.Popen[bytes]:
        barrier.wait()  # both have looked, and neither saw the other
        return spawn([sys.executable, "-c", WAITS_FOR_EVER, command[-1]], **where)

    monkeypatch.setattr(process, "spawn", spawn_small)
    began: list[int] = []
    refused: list[str] = []

    def start() -> None:
        try:
            began.append(launch(run, "train").pid)
        except RunError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["'first' is running already."]
    assert began == [run.status().pid]
    kill_worker(run)


def test_after_a_reboot_a_run_is_lost_and_who_has_its_pid_now_is_left_alone(
    run: Run, tmp_path: Path
) -> None:
    with working(run) as worker:
        left = run.status()
        worker.kill()
        worker.wait()
    with working(Home(tmp_path / "other").create_run(Config(), "theirs")) as stranger:
        run.write_status(left.replace(pid=stranger.pid))
        assert run.state() == "lost"
        for boot in (left.boot_id, "the boot before"):
            run.write_status(left.replace(pid=stranger.pid, boot_id=boot))
            kill_worker(run)
            assert stop_and_wait(run, patience_s=0.0, term_s=0.1) == "lost"
        assert stranger.poll() is None
    with working(run, OBEYS_THE_STOP_FILE):  # the lock of before holds nobody up
        assert stop_and_wait(run, patience_s=30) == "stopped"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the clock tells a birth")
def test_a_deaf_worker_is_ended_although_the_clock_was_set_meanwhile(run: Run) -> None:
    deaf = WAITS_FOR_EVER.replace(
        'print("ready"', 'signal.signal(15, signal.SIG_IGN); print("ready"'
    )
    with working(run, deaf):
        told = run.status()
        # What a clock that jumped makes of a birth that is told by the clock.
        run.write_status(told.replace(create_time=told.create_time + 3600))
        assert stop_and_wait(run, patience_s=0.1, term_s=0.2) == "lost"


def test_a_clock_that_jumps_by_a_day_disturbs_neither_page_nor_worker(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.browser.conftest import App

    set_clock = _clock_of_new_processes(tmp_path, monkeypatch)
    app = App(home)
    run = app.home.create_run(Config(), "alive")

    def step() -> int:
        return int(_ask(app.url, "/ct-api/run")["view"]["step"])

    with working(run, TRAINS_AND_TELLS):
        app.start()
        try:
            for days in (-1, 1, 0):
                set_clock(days)
                before = step()
                until(partial(_grows, step, before))
                view, (line,) = _ask(app.url, "/ct-api/run")["view"], _ask(app.url, "/ct-api/runs")
                assert view["state"] == line["state"] == "running"
                assert view["can"] == ["stop"]
                assert "-" not in view["left"] + line["duration"]
            assert _press(app.url, "/ct-api/runs/alive/stop") == {"error": "", "run": ""}
            until(lambda: _ask(app.url, "/ct-api/run")["card"]["state"] == "stopped")
        finally:
            app.kill()


def _grows(number: Callable[[], int], before: int) -> bool:
    return number() > before + 20


def _clock_of_new_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what sets the wall clock, in days, of all Python processes that are started later."""
    places = folder / "clock"
    places.mkdir()
    (places / "sitecustomize.py").write_text(OWN_CLOCK, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(places))
    monkeypatch.setenv("CLOCK_IS_AHEAD", str(places / "days"))

    def set_clock(days: int) -> None:
        (places / "new").write_text(str(days), encoding="ascii")
        (places / "new").replace(places / "days")

    set_clock(0)
    return set_clock


def test_a_killed_page_finds_the_run_again_with_its_history_and_can_stop_it(home: Path) -> None:
    from tests.browser.conftest import App

    app = App(home)
    run = app.home.create_run(Config(), "alive")
    with working(run, TRAINS_AND_TELLS):
        app.start()
        seen = len(_ask(app.url, "/ct-api/run")["m"])
        app.kill()
        app.start()
        try:
            told = _ask(app.url, "/ct-api/run")
            assert (told["run"], told["card"]["state"]) == ("alive", "running")
            assert [row[0] for row in told["m"]][: seen + 1] == list(range(1, seen + 2))
            assert _press(app.url, "/ct-api/runs/alive/stop") == {"error": "", "run": ""}
            until(lambda: _ask(app.url, "/ct-api/run")["card"]["state"] == "stopped")
        finally:
            app.kill()


def _ask(url: str, path: str) -> Any:
    with urllib.request.urlopen(url + path, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def _press(url: str, path: str) -> Any:
    request = urllib.request.Request(url + path, method="POST", headers={"Origin": url})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


@contextmanager
def silent_hub() -> Iterator[tuple[str, list[socket.socket]]]:
    """A hub that takes every connection and never says a word; its address, who called."""
    callers: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    callers.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", callers
        finally:
            for caller in callers:
                caller.close()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"base_model": "someone/model"}, "The model 'someone/model'"),
        ({"source": "hub:someone/code"}, "The dataset 'someone/code'"),
    ],
)
def test_a_hub_that_hangs_is_one_sentence(
    home: Path,
    tiny_tokenizer: Path,
    code_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    what: str,
) -> None:
    usual = {"base_model": str(tiny_tokenizer), "source": str(code_folder)}
    (tiny_tokenizer / "config.json").write_text("{}", encoding="utf-8")
    with silent_hub() as (url, callers):
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_HOME", str(home / "hub"))
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        run = Home(home).create_scan(Config.from_dict({**usual, **settings}))
        start_worker(run, "scan")
        until(lambda: not run.alive(), run.log_tail)
        assert callers
    assert (run.state(), run.status().message) == (
        "failed",
        f"{what} is not on this machine, and the Hub cannot be reached.",
    )


def test_a_killed_worker_leaves_no_helper_behind(run: Run) -> None:
    """The process that cuts rows ends when its worker is gone, however it went."""
    starts_a_helper = (
        BEGIN
        + """
    from codetune_ui.engine.producer import Producer
    from codetune_ui.engine.report import StopWish
    with Producer(run, Path(sys.argv[1]), StopWish(run)) as producer:
        (run.path / "child").write_text(str(producer._process.pid))
        print("ready", flush=True)
        time.sleep(60)
"""
    )
    with working(run, starts_a_helper) as worker:
        helper = int((run.path / "child").read_text(encoding="utf-8"))
        worker.kill()
        until(lambda: not _runs(helper))


def _runs(pid: int) -> bool:
    if not psutil.pid_exists(pid):
        return False
    return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
