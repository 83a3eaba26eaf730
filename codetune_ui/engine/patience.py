"""A full disk is waited for: whoever comes in the morning frees some space, and the run goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TypeVar

from codetune_ui.engine.checkpoint import NoSpaceError
from codetune_ui.engine.report import Reporter, StopRequested, StopWish
from codetune_ui.runs.store import Run

LOOK_S = 2.0
WAITING = "Waiting for room on the disk"
Result = TypeVar("Result")


def with_room(run: Run, reporter: Reporter, stop: StopWish, save: Callable[[], Result]) -> Result:
    """Save, and where there is no room, save again once there is some.

    Raises `NoSpaceError` when somebody stops the run meanwhile: what was to be saved is lost.
    """
    while True:
        try:
            return save()
        except NoSpaceError as error:
            full = error
        before = reporter.status.phase
        reporter.log(f"{full.message} Waiting until there is room.", "warning")
        reporter.phase(WAITING, f"{full.message} Free some space: it goes on by itself.")
        room = False
        while not room:
            if (wish := stop()) == "discard":
                raise StopRequested
            if wish:
                raise full
            time.sleep(LOOK_S)  # at least once: what was half written has just made some room
            room = shutil.disk_usage(run.path).free >= full.needed
        reporter.phase(before)
