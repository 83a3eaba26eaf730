"""The processes beside a worker, as small programs; and one real training of two."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, MachineError, RunError
from codetune_ui.engine import siblings, worker
from codetune_ui.engine.seat import (
    Seat,
    card_of,
    check_cards,
    set_environment,
    take_cards,
    take_first_card,
    take_seat,
)
from codetune_ui.engine.siblings import AloneError, Siblings
from codetune_ui.runs import process
from codetune_ui.runs.events import read_events
from codetune_ui.runs.store import Home, Run
from tests.quick_run import tiny_config
from tests.two_cards import a_tool

FOR_EVER = "from codetune_ui.runs.process import end_with_parent; end_with_parent()\nimport time\n"
FOR_EVER += "time.sleep(600)"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


def beside(
    run: Run, code: str, give_up: Callable[[CodeTuneError], None] = lambda _: None, size: int = 2
) -> Siblings:
    """Siblings that do what `code` says instead of training."""
    found = Siblings(run, "train", Seat(size=size, local_size=size), dict(os.environ), give_up)
    found._command = [sys.executable, "-c", code]
    return found


def until(true: Callable[[], object], patience_s: float = 30.0) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(some: Siblings) -> int:
    return sum(one.poll() is None for one in some._processes)


def left_alone(some: Siblings, error: Exception) -> None:
    """Come to an error when all of them are gone."""
    with some:
        some.start()
        until(lambda: not alive(some))
        raise error


# --- seats and cards


def test_a_seat_that_a_launcher_gave_is_taken_out_of_the_environment() -> None:
    given = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "A": "b"}
    assert take_seat(given) == Seat(3, 4, 1, 2)
    assert given == {"A": "b"}
    assert take_seat(given) is None


def test_a_seat_is_found_again_in_the_environment_it_makes() -> None:
    seat = Seat(5, 8, 1, 4)
    assert take_seat(seat.environment()) == seat


@pytest.mark.parametrize(
    ("visible", "local", "card"),
    [
        (None, 0, "0"),
        (None, 2, "2"),
        ("4,6", 0, "4"),
        ("4,6", 1, "6"),
        ("6", 1, "6"),  # each process was given its own
        ("", 1, ""),
        ("-1", 0, ""),
    ],
)
def test_a_process_sees_one_card_alone(visible: str | None, local: int, card: str) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    set_environment(Seat(local, 4, local, 4), environment)
    assert environment["CUDA_VISIBLE_DEVICES"] == card


def test_a_process_without_a_card_of_its_own_is_refused() -> None:
    with pytest.raises(MachineError, match="4 processes need 4 GPUs, and 2 are here"):
        card_of(Seat(2, 4, 2, 4), {"CUDA_VISIBLE_DEVICES": "0,1"})


@pytest.mark.parametrize(
    ("found", "visible", "refused"),
    [(0, None, False), (2, None, False), (1, None, True), (8, "3", True), (8, "", False)],
)
def test_more_processes_than_cards_are_refused_but_not_without_any(
    found: int, visible: str | None, refused: bool
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    seat = Seat(size=2, local_size=2)
    if not refused:
        check_cards(seat, environment, found)
        return
    with pytest.raises(MachineError) as caught:
        check_cards(seat, environment, found)
    assert caught.value.message == "2 processes need 2 GPUs, and 1 is here."
    assert caught.value.hint.startswith("Set processes to 1")


def test_a_worker_asks_the_machine_for_its_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("codetune_ui.runs.doctor.gpus", lambda: [{"name": "H200"}] * 3)
    assert worker._first_of(3) == Seat(size=3, local_size=3)
    with pytest.raises(MachineError, match="4 processes need 4 GPUs, and 3 are here"):
        worker._first_of(4)


def test_the_cards_that_a_run_names_are_those_of_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_tool(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    environment = {"PATH": "/bin"}
    take_cards(Config(cards="1,0", processes=2), environment)
    cards = [card_of(Seat(local, 2, local, 2), environment) for local in (0, 1)]
    assert cards == ["1", "0"]
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize(("named", "left"), [("1,0", "1"), ("5,6", None), ("", None)])
def test_what_is_done_with_an_adapter_takes_the_first_card_of_its_run_if_it_is_there(
    named: str, left: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_tool(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    environment: dict[str, str] = {}
    take_first_card(Config(cards=named, processes=2 if named else 1), environment)
    assert environment.get("CUDA_VISIBLE_DEVICES") == left


def test_on_a_cluster_its_own_cards_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODETUNE_TICKET", "abc")
    environment = {"CUDA_VISIBLE_DEVICES": "6"}
    take_cards(Config(cards="9"), environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": "6"}


# --- how they end


def test_what_a_sibling_writes_is_handed_on_with_its_number(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    with beside(run, "print('here I am')", size=3) as some:
        some.start()
        until(lambda: not alive(some))
    assert sorted(capfd.readouterr().out.splitlines()) == [
        "process 2 of 3: here I am",
        "process 3 of 3: here I am",
    ]


def test_siblings_end_with_the_block(run: Run) -> None:
    with beside(run, FOR_EVER, size=3) as some:
        some.start()
        assert alive(some) == 2
    assert not alive(some)


def test_one_that_hears_nothing_is_killed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "END_S", 0.2)
    with beside(run, "import time; time.sleep(600)") as some:
        some.start()
    assert not alive(some)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "Process 2 of 2 ended unexpectedly (killed by sig"),
        ("raise SystemExit(3)", "Process 2 of 2 ended unexpectedly (exit status 3)."),
        ("print('No room.'); raise SystemExit(2)", "Process 2 of 2 cannot go on: No room."),
    ],
)
def test_a_worker_left_alone_says_who_is_gone_and_why(run: Run, code: str, words: str) -> None:
    with pytest.raises(RunError) as caught:
        left_alone(beside(run, code), AloneError())
    assert caught.value.message.startswith(words)


def test_an_error_of_the_workers_own_stays_what_it_is(run: Run) -> None:
    with pytest.raises(ValueError, match="own"):
        left_alone(beside(run, "raise SystemExit(3)"), ValueError("own"))


def test_a_worker_that_waits_in_vain_is_made_to_give_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(siblings, "GRACE_S", 0.1)
    told: list[CodeTuneError] = []
    with beside(run, "raise SystemExit(1)", told.append) as some:
        some.start()
        until(lambda: told)
    assert told[0].message == "Process 2 of 2 ended unexpectedly (exit status 1)."


# --- a real one


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, code_folder: Path
) -> Iterator[Run]:
    """A run of two processes that has made some steps, and goes on for long."""
    config = Config.from_dict(tiny_config(tiny_model, code_folder).to_dict() | {"processes": 2})
    run = Home(tmp_path_factory.mktemp("pair")).create_run(config, "pair")
    process.start_worker(run, "train")
    until(lambda: run.status().step >= 2 or not run.alive(), patience_s=240.0)
    yield run
    process.kill_worker(run)


def test_nothing_is_left_of_a_worker_that_is_killed(pair: Run) -> None:
    worker = pair.status().process()
    assert worker is not None, pair.log_tail()
    mates = [one for one in worker.children() if "codetune_ui.engine.worker" in one.cmdline()]
    assert len(mates) == 1
    worker.kill()
    psutil.wait_procs([worker, *mates], timeout=20)
    assert [one for one in mates if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert pair.state() == "lost"


@pytest.mark.slow
def test_accelerate_launch_trains_the_same(home: Path, tiny_model: Path, code_folder: Path) -> None:
    config = tiny_config(tiny_model, code_folder).replace(max_steps=4)
    runs = [Home(home).create_run(config, name) for name in ("alone", "launched")]
    worker_of = ["-m", "codetune_ui.engine.worker", "train"]
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    for run, before in zip(runs, ([], launch), strict=True):
        command = [sys.executable, *before, *worker_of, str(run.path)]
        subprocess.run(command, cwd=PROJECT_ROOT, check=True, timeout=240)
    losses = [
        [event["loss"] for event in read_events(run.events_path)[0] if event["kind"] == "train"]
        for run in runs
    ]
    assert len(losses[0]) == 4
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
