"""What a preparation in parts decides before its first task: how many tasks, of which source.

HOME/prepared/NAME/   a preparation: config.json, asked.json, plan.json; in the end dataset/
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from codetune_ui.core.assets import DEMO_CODE
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.errors import SourceError
from codetune_ui.core.portions import Unread, unread
from codetune_ui.core.sources import check_git_url, is_git_url
from codetune_ui.core.split import CHARACTERS_PER_TOKEN
from codetune_ui.engine.fetch import fetch
from codetune_ui.engine.hub import resolve_model
from codetune_ui.engine.producer import rows_needed
from codetune_ui.engine.scan_cache import source_state
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.store import Home, Run

TASK_BYTES = 64_000_000  # of source: a task that is lost is done again, in about ten seconds
MOST_TASKS = 10_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all tasks of a preparation have in common: `tasks` read, `cuts` cut."""

    tasks: int
    cuts: int
    size: int
    files: int
    model: str
    state: str = ""
    """Of the source, where that can be told; see `scan_cache.source_state`."""


def make_plan(run: Run, tasks: int) -> Plan:
    """Look at the source, and decide; of a preparation that goes on, return what was decided.

    `tasks` is how many a person wants; 0 leaves it to the source's size. Rows do not depend on it.
    """
    config = run.config()
    state = source_state(config) or ""
    if (known := read_plan(run)) is not None:
        check_state(known, state)
        return known
    model = resolve_model(config, weights=False)
    sizes = [one.size for one in files_of(config)]
    plan = Plan(
        tasks=min(tasks or _tasks(sum(sizes)), max(1, len(sizes))),
        cuts=tasks or _tasks(rows_needed(config) * config.max_seq_len * CHARACTERS_PER_TOKEN),
        size=sum(sizes),
        files=len(sizes),
        model=str(model),
        state=state,
    )
    replace_json(run.path / "plan.json", asdict(plan))
    return plan


def _tasks(size: float) -> int:
    return max(1, min(MOST_TASKS, math.ceil(size / TASK_BYTES)))


def read_plan(run: Run) -> Plan | None:
    """Return what was decided; None before that."""
    values = read_json(run.path / "plan.json")
    return None if values is None else Plan(**values)


def plan_of(run: Run) -> Plan:
    """Return what was decided."""
    plan = read_plan(run)
    if plan is None:
        raise SourceError("The preparation has no plan.", "Begin it anew under another name.")
    return plan


def check_state(plan: Plan, state: str) -> None:
    """Raise `SourceError` when the source is not what it was: parts would not fit together."""
    if plan.state and plan.state != state:  # "" now: a file is being written at this moment
        raise SourceError(
            "The code has changed since its preparation began.",
            "Prepare it under another name, or put the code back as it was.",
        )


def files_of(config: Config) -> Iterator[Unread]:
    """Return all that the sources hold, unread."""
    return unread(config, partial(_place_of, history=bool(config.held_out_after)))


def _place_of(place: str, *, history: bool) -> Path:
    if is_git_url(place):
        check_git_url(place)
        return fetch(place, Home.current(), history=history, refresh=False)
    return DEMO_CODE if place == DEMO else Path(place).expanduser()
