"""A training on several processes is the same training, whatever befalls one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.presets import preset
from codetune_ui.runs.store import Home, Run
from tests.faults.test_training import (
    KILLED,
    curve,
    events,
    make,
    saved,
    warnings,
    why,
)
from tests.faults.zygote import Workers

SAME = 1e-5  # what another order of summing may change, relative
NEAR = 1e-3  # what passes of another kind may change of a gradient's length


def assert_same(run: Run, other: Run, within: float = SAME) -> None:
    """Every figure of every step is the other's, but for the order of summing."""
    ours, theirs = curve(run), curve(other)
    assert ours.keys() == theirs.keys()
    for key, values in ours.items():
        assert values == pytest.approx(theirs[key], rel=within, abs=within), key


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, code_folder: Path
) -> Callable[..., Run]:
    """Makes a run of six steps, of two rows each."""
    home = tmp_path_factory.mktemp("several")

    def make_short(name: str, **changes: Any) -> Run:
        return make(home, tiny_model, code_folder, name, **{"max_steps": 6, **changes})

    return make_short


@pytest.fixture(scope="module")
def one(zygote: Workers, made: Callable[..., Run]) -> Run:
    """What one process does."""
    run = made("one")
    assert zygote.work(run, "train") == 0, why(run)
    return run


def test_two_processes_train_as_one_does(
    zygote: Workers, one: Run, made: Callable[..., Run]
) -> None:
    run = made("two")
    assert zygote.work(run, "train", processes=2) == 0, why(run)
    assert run.state() == "finished"
    assert_same(run, one)
    assert events(run, "plan")[0]["processes"] == 2
    assert warnings(run) == []


def test_two_processes_train_the_demo_as_one_does(zygote: Workers, tmp_path: Path) -> None:
    less = {"max_steps": 8, "eval_every": 4, "save_every": 4}
    demo = preset("demo", **less, global_batch_rows=2, compute_dtype="float32")
    runs = []
    for processes, name in ((1, "alone"), (2, "both")):
        run = Home(tmp_path).create_run(demo.replace(processes=processes), name)
        assert zygote.work(run, "train", processes=processes) == 0, why(run)
        runs.append(run)
    assert events(runs[1], "plan")[0]["processes"] == 2
    assert {step for _, step in curve(runs[0])} >= {0, 4, 8}
    assert_same(runs[1], runs[0], 1e-4)


def test_a_process_that_is_gone_ends_the_run_and_one_alone_goes_on_with_it(
    zygote: Workers, one: Run, made: Callable[..., Run]
) -> None:
    run = made("left")
    assert zygote.work(run, "train", ("kill_in_step", 5), processes=2, harmed=1) == 2
    status = run.status()
    assert (status.state, status.message) == (
        "failed",
        "Another process of the training ended unexpectedly.",
    )
    assert "resume" in status.hint
    assert zygote.work(run, "resume") == 0, why(run)
    assert events(run, "resume")[0]["step"] == 4
    assert_same(run, one)


def test_a_run_of_one_process_goes_on_with_two(
    zygote: Workers, one: Run, made: Callable[..., Run]
) -> None:
    run = made("more")
    assert zygote.work(run, "train", ("kill_in_step", 5)) == KILLED
    run.divide_among(2)
    assert zygote.work(run, "resume", processes=2) == 0, why(run)
    assert events(run, "resume")[0]["step"] == 4
    assert_same(run, one)


def test_all_processes_stop_at_the_same_step(zygote: Workers, made: Callable[..., Run]) -> None:
    run = made("stops")
    assert zygote.work(run, "train", ("signal_once", 3), processes=2) == 0, why(run)
    assert (run.state(), run.status().step, saved(run)) == (
        "stopped",
        3,
        ["step_000002", "step_000003"],
    )


def test_dropout_is_drawn_again_where_two_processes_resume(
    zygote: Workers, made: Callable[..., Run]
) -> None:
    run = made("drawn", engine="plain", max_steps=4, log_every=1)
    assert zygote.work(run, "train", ("kill_in_step", 4), processes=2) == KILLED
    assert zygote.work(run, "resume", processes=2) == 0, why(run)
    steps = [event["step"] for event in events(run, "train")]
    assert steps == [1, 2, 3, 3, 4]
    curve(run)  # step 3 is the same to the bit


def test_the_plain_engine_divides_its_rows_too(zygote: Workers, made: Callable[..., Run]) -> None:
    settings = {"engine": "plain", "lora_dropout": 0.0, "max_steps": 3}
    rows = {"global_batch_rows": 4, "micro_batch_rows": 1}
    alone, two = made("plain-one", **settings, **rows), made("plain-two", **settings, **rows)
    assert zygote.work(alone, "train") == 0, why(alone)
    assert zygote.work(two, "train", processes=2) == 0, why(two)
    assert_same(two, alone)


def test_a_step_that_is_bad_on_one_process_is_left_out_by_all(
    zygote: Workers, made: Callable[..., Run]
) -> None:
    alone, two = made("bad-one"), made("bad-two")
    assert zygote.work(alone, "train", ("poison_pass", 5)) == 0, why(alone)
    assert zygote.work(two, "train", ("poison_pass", 5), processes=2, harmed=1) == 0, why(two)
    assert warnings(two) == warnings(alone)
    assert warnings(two) == ["Step 5 was left out: its gradient is not a number."]
    assert_same(two, alone)


def test_where_the_memory_of_one_does_not_suffice_all_go_on_in_smaller_passes(
    zygote: Workers, one: Run, made: Callable[..., Run]
) -> None:
    run = made("small")
    assert zygote.work(run, "train", ("no_memory_in_pass", 6), processes=2, harmed=1) == 0, why(run)
    assert [event["step"] for event in events(run, "resume")] == [4]
    assert [event["again"] for event in events(run, "pace")] == [0.0, 1.0]
    assert_same(run, one, NEAR)
