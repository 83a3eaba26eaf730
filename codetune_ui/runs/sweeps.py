"""The runs of a sweep: one per value of a setting, all made or none, all put in line."""

from __future__ import annotations

from collections.abc import Mapping

from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.elsewhere import place
from codetune_ui.runs.names import check_name, with_suffix
from codetune_ui.runs.placement import Placement
from codetune_ui.runs.queue import enter
from codetune_ui.runs.store import Home, Run


def start_sweep(
    home: Home, base: str | None, configs: Mapping[str, Config], placement: Placement | None = None
) -> list[Run]:
    """Make one run per config and let them wait for their turn, in this order.

    base: what their names begin with, two words when empty; placement: where, see `elsewhere`.
    Raises what `Home.create_run` and
    `queue.enter` do; then none of them is there.
    """
    stem = check_name(base) if base else home.free_name()
    made: list[Run] = []
    try:
        for suffix, config in configs.items():
            made.append(home.create_run(config, with_suffix(stem, suffix)))
            place(made[-1], placement)
        enter(home, made)
    except (CodeTuneError, OSError):
        for run in made:
            home.delete(run)
        raise
    return made
