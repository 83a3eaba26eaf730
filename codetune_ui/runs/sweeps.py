"""The runs of a sweep: one per value of a setting, all made or none, all put in line."""

from __future__ import annotations

from collections.abc import Mapping

from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.sweep import run_name
from codetune_ui.runs.queue import enter
from codetune_ui.runs.store import Home, Run


def start_sweep(home: Home, base: str | None, configs: Mapping[str, Config]) -> list[Run]:
    """Make one run per config and let them wait for their turn, in this order.

    base: what their names begin with, two words when empty. Raises what `Home.create_run` does;
    then none of them is there.
    """
    stem = base or home.free_name()
    made: list[Run] = []
    try:
        for suffix, config in configs.items():
            made.append(home.create_run(config, run_name(stem, suffix)))
    except CodeTuneError:
        for run in made:
            home.delete(run)
        raise
    enter(made)
    return made
