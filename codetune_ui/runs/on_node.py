"""What begins on a cluster's node: the same worker as here, in an environment that is our own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.placement import TICKET

# Where models lie and how many threads to use; never a token: the node has the person's own login.
HANDED_ON = ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "OMP_NUM_THREADS")


def handed_on() -> dict[str, str]:
    """Return what of this process's environment a worker elsewhere is to have too."""
    return {name: os.environ[name] for name in HANDED_ON if name in os.environ}


def become_worker(job: str, folder: str, ticket: str, handed: dict[str, str]) -> None:
    """Go on as the worker of a run, so that signals and exit status are the worker's own."""
    from codetune_ui.runs.process import environment  # which imports us

    os.umask(0o077)  # a person's code is in what it writes
    os.chdir(PROJECT_ROOT)
    command = [sys.executable, "-m", "codetune_ui.engine.worker", job, folder]
    own = environment(Path(folder).parents[1]) | handed | {TICKET: ticket}
    os.execve(command[0], command, own)
