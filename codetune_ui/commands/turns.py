"""The command that shows and changes the queue, and how `train` waits for its turn in it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from codetune_ui.commands.options import AsJson, Assigned, HomeDir
from codetune_ui.commands.shared import CANCELLED, finish, home_of, say
from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.presets import parse_assignments
from codetune_ui.core.sweep import variants
from codetune_ui.runs import queue as line
from codetune_ui.runs.follow import attend
from codetune_ui.runs.state import State
from codetune_ui.runs.store import Run

POLL_S = 0.2


def queue(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="One that waits.")] = None,
    to: Annotated[
        int | None, typer.Option("--to", min=1, metavar="N", help="Make it the N-th in the line.")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Take it out of the line.")] = False,
    assigned: Assigned = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Show the runs that wait for their turn; with RUN, change one of them."""
    where = home_of(home)
    if run is None and (to or drop or assigned):
        raise ConfigError("Which run?", "Write queue RUN --to N, --drop or --set NAME=VALUE.")
    if run is not None:
        _change(where.run(run), to, drop, parse_assignments(assigned or []))
    rows = [
        {"run": turn.run.name, "place": place, "job": turn.job}
        for place, turn in enumerate(line.waiting(where), start=1)
    ]
    busy = line.who_is_at_work(where)
    head = [f"At work: {busy}."] if busy else []
    told = [f"{row['place']:>3}. {row['run']}" for row in rows] or ["No run waits."]
    finish({"at_work": busy or None, "waiting": rows}, head + told, as_json)


def _change(run: Run, to: int | None, drop: bool, changes: Mapping[str, Any]) -> None:
    if changes:
        line.change(run, run.config().replace(**changes))
    if to:
        line.move(run, to)
    if drop:
        line.drop(run)
    if not (changes or to or drop):
        raise ConfigError("What is to be done with it?", "Add --to N, --drop or --set NAME=VALUE.")


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


def wait_and_follow(run: Run, told: int) -> State:
    """Wait for a run's turn, then follow it to its end; Ctrl-C takes it out of the line.

    told: bytes of its events that are known already.
    """
    busy = line.who_is_at_work(run.home)
    say(f"'{busy}' is at work: '{run.name}' waits for its turn.")
    try:
        while run.state() == "waiting":
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        line.leave(run)
        say(f"'{run.name}' waits no longer.")
        raise typer.Exit(CANCELLED) from None
    return attend(run, say, told)
