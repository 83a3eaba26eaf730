"""What a press on Start does: one run or a sweep, here or elsewhere, or new settings for one."""

from __future__ import annotations

from typing import NamedTuple

from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.elsewhere import place
from codetune_ui.runs.placement import Placement
from codetune_ui.runs.queue import change, start_or_wait
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.sweeps import start_sweep
from codetune_ui.ui import cards


class Wish(NamedTuple):
    """What a press on Start would do: one run, or those of a sweep, and where."""

    config: Config
    swept: dict[str, Config]
    placement: Placement | None

    @property
    def configs(self) -> list[Config]:
        """The settings of each run that it would make."""
        return list(self.swept.values()) or [self.config]


def start(home: Home, name: str | None, wish: Wish) -> list[Run]:
    """Make the run, or those of the sweep, and start them or let them wait."""
    placement = wish.placement
    own = cards.named if placement is None else lambda config: config
    if wish.swept:
        swept = {suffix: own(config) for suffix, config in wish.swept.items()}
        return start_sweep(home, name, swept, placement)
    run = home.create_run(own(wish.config), name)
    try:
        place(run, placement)
        start_or_wait(run, "train")
    except CodeTuneError:
        if placement is not None and run.status().state == "created":
            home.delete(run)  # the cluster did not take it: the next try has its name again
        raise
    return [run]


def change_waiting(home: Home, edited: str, name: str | None, wish: Wish) -> str:
    """Give a waiting run other settings, and another name if one was typed; return its name."""
    run = home.run(edited)
    run = home.rename(run, name) if name else run
    change(run, cards.named(wish.config))
    return run.name
