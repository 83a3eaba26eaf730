"""Runs that wait for their turn: who is next, who may change what, and what is never lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.runs import keeper, queue
from codetune_ui.runs.files import read_json
from codetune_ui.runs.keeper import keep
from codetune_ui.runs.lease import PLAYGROUND, acquire
from codetune_ui.runs.lock import hold
from codetune_ui.runs.queue import (
    change,
    drop,
    enter,
    keeper_lock,
    leave,
    move,
    start_or_wait,
    waiting,
    wake,
    who_is_at_work,
)
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.sweeps import start_sweep
from tests.runs.processes import IS_REFUSED, TAKES_ITS_TURN, WAITS_FOR_EVER, Engine, working


@pytest.fixture
def there(home: Path) -> Home:
    return Home(home)


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the commands of the keepers that would have been started."""
    commands: list[list[str]] = []
    monkeypatch.setattr(queue, "spawn", lambda command, **_: commands.append(command))
    return commands


def made(there: Home, *names: str) -> list[Run]:
    return [there.create_run(Config(), name) for name in names]


def line(there: Home) -> list[str]:
    return [turn.run.name for turn in waiting(there)]


def test_runs_wait_in_the_order_in_which_they_entered(there: Home) -> None:
    enter(there, made(there, "c", "a", "b"))
    assert line(there) == ["c", "a", "b"]
    assert [turn.place for turn in waiting(there)] == [0, 1, 2]
    assert there.run("a").state() == "waiting"


def test_a_keeper_is_started_once_somebody_waits(there: Home, woken: list[list[str]]) -> None:
    wake(there)
    assert woken == []
    enter(there, made(there, "a"))
    assert woken == [[sys.executable, "-m", "codetune_ui.runs.keeper", str(there.path)]]


def test_no_second_keeper_is_started(there: Home, woken: list[list[str]]) -> None:
    with hold(keeper_lock(there)):
        enter(there, made(there, "a"))
    assert woken == []


def test_a_run_that_is_renamed_keeps_its_place(there: Home) -> None:
    enter(there, made(there, "a", "b", "c"))
    there.rename(there.run("b"), "new")
    assert line(there) == ["a", "new", "c"]


def test_a_run_that_is_deleted_leaves_the_line(there: Home) -> None:
    enter(there, made(there, "a", "b"))
    there.delete(there.run("a"))
    assert line(there) == ["b"]


@given(count=st.integers(1, 6), moves=st.lists(st.tuples(st.integers(0, 5), st.integers(-6, 6))))
def test_moving_is_taking_out_and_putting_in(
    tmp_path_factory: pytest.TempPathFactory, count: int, moves: list[tuple[int, int]]
) -> None:
    there = Home(tmp_path_factory.mktemp("line"))
    expected = [f"run-{number}" for number in range(count)]
    enter(there, made(there, *expected))
    for which, by in moves:
        name = f"run-{which % count}"
        move(there.run(name), by)
        place = max(0, expected.index(name) + by)
        expected.remove(name)
        expected.insert(place, name)
        assert line(there) == expected


def test_who_is_not_in_the_line_cannot_be_moved_or_dropped(there: Home) -> None:
    [run] = made(there, "a")
    for deed in (drop, lambda one: move(one, 1)):
        with pytest.raises(RunError, match="'a' does not wait"):
            deed(run)


def test_a_dropped_run_keeps_its_settings_and_can_be_started(there: Home) -> None:
    enter(there, made(there, "a"))
    drop(there.run("a"))
    assert there.run("a").state() == "created"
    assert line(there) == []


def test_a_dropped_resume_leaves_its_run_as_it_was(there: Home) -> None:
    [run] = made(there, "a")
    run.write_status(Status.begin("train").replace(state="stopped", step=7))
    enter(there, [run], "resume")
    assert run.state() == "waiting"
    drop(run)
    assert run.state() == "stopped"


def test_a_waiting_run_gets_other_settings(there: Home) -> None:
    enter(there, made(there, "a", "b"))
    change(there.run("a"), Config(lora_rank=4))
    assert there.run("a").config().lora_rank == 4
    assert line(there) == ["a", "b"]


def test_a_run_that_has_begun_keeps_its_settings(there: Home) -> None:
    [run] = made(there, "a")
    enter(there, [run])
    with working(run), pytest.raises(RunError, match="'a' has begun"):
        change(run, Config(lora_rank=4))
    with pytest.raises(RunError, match="'a' has begun"):  # it would go on with others
        change(run, Config(lora_rank=4))
    assert run.config().lora_rank == 16


def test_one_run_waits_once(there: Home) -> None:
    [run] = made(there, "a")
    enter(there, [run])
    with pytest.raises(RunError, match="waits for its turn already"):
        enter(there, [run])
    assert line(there) == ["a"]


def test_a_start_waits_while_another_is_at_work(there: Home, engine: Engine) -> None:
    engine(TAKES_ITS_TURN)
    first, second, third = made(there, "first", "second", "third")
    with working(first):
        assert who_is_at_work(there) == "first"
        assert start_or_wait(second, "train")
    assert start_or_wait(third, "train")  # nobody is at work, but another was there before
    assert line(there) == ["second", "third"]


def test_a_start_begins_at_once_when_nobody_is_at_work(there: Home, engine: Engine) -> None:
    engine(TAKES_ITS_TURN)
    [run] = made(there, "a")
    assert not start_or_wait(run, "train")
    assert line(there) == []


def test_the_playground_makes_room_and_an_evaluation_does_not(there: Home) -> None:
    with acquire(there, PLAYGROUND, "answering"):
        assert who_is_at_work(there) == ""
    with acquire(there, "calm-otter", "evaluating"):
        assert who_is_at_work(there) == "calm-otter"


# --- the keeper


def test_the_keeper_works_the_line_off_in_its_order(there: Home, engine: Engine) -> None:
    engine(TAKES_ITS_TURN)
    enter(there, made(there, "b", "c", "a"))
    keep(there)
    assert (there.path / "order").read_text().split() == ["b", "c", "a"]
    assert {run.state() for run in there.runs()} == {"finished"}
    assert line(there) == []


def test_a_run_that_is_refused_does_not_hold_up_the_next(there: Home, engine: Engine) -> None:
    engine(IS_REFUSED)
    enter(there, made(there, "a", "b"))
    keep(there)
    assert {run.name: run.state() for run in there.runs()} == {"a": "failed", "b": "failed"}


def test_a_worker_that_cannot_be_started_is_told_of_in_the_run(there: Home, engine: Engine) -> None:
    engine("raise SystemExit(3)")
    enter(there, made(there, "a"))
    keep(there)
    run = there.run("a")
    assert run.state() == "failed"
    assert run.status().message == "The worker of 'a' ended before it began."


def test_who_was_faster_at_the_accelerator_costs_neither_place_nor_the_right_to_edit(
    there: Home, engine: Engine
) -> None:
    engine(IS_REFUSED)
    [run] = made(there, "a")
    enter(there, [run])
    with acquire(there, PLAYGROUND, "answering"):  # it does not always end in time
        keeper._begin_next(there)
    assert line(there) == ["a"]
    change(run, Config(lora_rank=4))
    keeper._begin_next(there)
    assert run.state() == "failed"


def test_nobody_is_started_while_the_queue_is_being_changed(
    there: Home, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(TAKES_ITS_TURN)
    monkeypatch.setattr(queue, "CHANGE_S", 0.1)
    enter(there, made(there, "a"))
    with queue.changing(there), pytest.raises(MachineError, match="Another start is under way"):
        keeper._begin_next(there)
    assert line(there) == ["a"]


def test_a_run_that_is_deleted_on_its_way_does_not_come_back(there: Home) -> None:
    [run] = made(there, "a")
    enter(there, [run])
    turn = waiting(there)[0]
    there.delete(run)
    keeper._begin(turn)
    assert list(there.runs_dir.iterdir()) == []


def test_a_second_keeper_leaves_it_to_the_first(there: Home) -> None:
    enter(there, made(there, "a"))
    with hold(keeper_lock(there)):
        keep(there)
    assert line(there) == ["a"]


def test_a_living_worker_is_not_in_the_line_and_its_note_does_no_harm(there: Home) -> None:
    [run] = made(there, "a")
    enter(there, [run])
    with working(run, WAITS_FOR_EVER):
        assert line(there) == []
        assert run.state() == "running"
        leave(run)
    assert run.state() == "lost"


# --- a sweep


def test_a_sweep_is_one_waiting_run_per_value(there: Home) -> None:
    configs = {"seed-1": Config(seed=1), "seed-2": Config(seed=2)}
    start_sweep(there, "many", configs)
    assert line(there) == ["many-seed-1", "many-seed-2"]
    assert there.run("many-seed-2").config().seed == 2


def test_of_a_sweep_with_a_taken_name_nothing_is_left(there: Home) -> None:
    made(there, "many-seed-2")
    configs = {"seed-1": Config(seed=1), "seed-2": Config(seed=2)}
    with pytest.raises(RunError, match="There is a run named 'many-seed-2' already"):
        start_sweep(there, "many", configs)
    assert [run.name for run in there.runs()] == ["many-seed-2"]
    assert line(there) == []


def test_the_place_is_a_note_in_the_run_s_own_folder(there: Home) -> None:
    enter(there, made(there, "a", "b"))
    note = read_json(there.run("b").path / "waiting.json")
    assert note == {"job": "train", "place": 1}
