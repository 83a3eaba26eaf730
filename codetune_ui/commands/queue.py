"""The command that shows and changes the queue, and how `train` waits for its turn in it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from codetune_ui.commands.options import AsJson, Assigned, HomeDir
from codetune_ui.commands.shared import CANCELLED, finish, home_of, say
from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError, RunError
from codetune_ui.core.inputs import check_inputs
from codetune_ui.core.presets import parse_assignments
from codetune_ui.core.sweep import variants
from codetune_ui.runs.cards import check_here
from codetune_ui.runs.follow import attend, stopping_on_interrupt, told_before
from codetune_ui.runs.process import request_stop
from codetune_ui.runs.queue import (
    change,
    drop,
    move,
    start_or_wait,
    waiting,
    who_is_at_work,
)
from codetune_ui.runs.state import State
from codetune_ui.runs.store import Run

POLL_S = 0.2


def queue(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="One that waits.")] = None,
    to: Annotated[
        int | None, typer.Option("--to", min=1, metavar="N", help="Make it the N-th.")
    ] = None,
    out: Annotated[bool, typer.Option("--drop", help="Take it out of the queue.")] = False,
    assigned: Assigned = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Show the runs that wait for their turn; with RUN, change one of them."""
    where = home_of(home)
    if run is None and (to or out or assigned):
        raise ConfigError("Which run?", "Write queue RUN --to N, --drop or --set NAME=VALUE.")
    if run is not None:
        _change(where.run(run), to, out, parse_assignments(assigned or []))
    rows = [
        {"run": turn.run.name, "place": place, "job": turn.job}
        for place, turn in enumerate(waiting(where), start=1)
    ]
    busy = who_is_at_work(where)
    head = [f"At work: {busy}."] if busy else []
    told = [f"{row['place']:>3}. {row['run']}" for row in rows] or ["No run waits."]
    finish({"at_work": busy or None, "waiting": rows}, head + told, as_json)


def _change(run: Run, to: int | None, out: bool, changes: Mapping[str, Any]) -> None:
    if not (changes or to or out):
        raise ConfigError("What is to be done with it?", "Add --to N, --drop or --set NAME=VALUE.")
    if changes:
        config = run.config().replace(**changes)
        check_inputs(config)
        check_here(config)
        change(run, config)
    if to:
        names = [turn.run.name for turn in waiting(run.home)]
        move(run, to - 1 - names.index(run.name) if run.name in names else 0)
    if out:
        drop(run)


def swept(config: Config, sweep: str) -> dict[str, Config]:
    """Return what `--sweep NAME=V1,V2` asks for; raises `ConfigError`."""
    setting, equals, values = sweep.partition("=")
    if not equals:
        raise ConfigError(f"'{sweep}' is no sweep.", "Write --sweep NAME=VALUE,VALUE.")
    return variants(config, setting.strip(), values)


def told_waiting(runs: Sequence[Run], as_json: bool) -> None:
    """Say that runs wait for their turn; they go on without this terminal."""
    told = [f"'{run.name}' waits for its turn." for run in runs]
    finish({"runs": [run.name for run in runs], "state": "waiting"}, told, as_json)


def train_and_follow(run: Run, job: str) -> State:
    """Start a run or let it wait for its turn, say what it does, return the state it ends in.

    Ctrl-C takes it out of the queue, or asks it to stop and save. Raises `RunError` with the
    worker's own words when it refused the input before its first step.
    """
    told = told_before(run)
    with stopping_on_interrupt(run, say):
        waits = start_or_wait(run, job)
    state: State = "waiting" if waits else attend(run, say, told)
    while state == "waiting":  # once more, if another was faster at the accelerator
        _wait(run)
        state = attend(run, say, told)
        told = told_before(run)
    status = run.status()
    if state == "failed" and status.refused and status.step == 0:
        raise RunError(status.message, status.hint)
    if state == "created" or not run.config_path.exists():
        say(f"'{run.name}' waits no longer.")
        raise typer.Exit(CANCELLED)
    return state


def _wait(run: Run) -> None:
    busy = who_is_at_work(run.home)
    say((f"'{busy}' is at work: " if busy else "") + f"'{run.name}' waits for its turn.")
    try:
        while run.state() == "waiting":
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        try:
            drop(run)
        except RunError:  # its turn came at the same moment
            request_stop(run)
