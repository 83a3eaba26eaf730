"""What begins on a cluster's node: the same worker as here, in an environment that is our own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.placement import TICKET

# Where models lie and how many threads to use; never a token: the node has the person's own login.
FIRST_PORT, PORTS = 20_000, 10_000  # a job's own, below those that a system lends by itself
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
    os.execve(command[0], command, own | seat(os.environ))


def seat(slurm: Mapping[str, str]) -> dict[str, str]:
    """Return what torchrun would tell a process of several: which one it is, and where they meet.

    Slurm has started them all, so that its signals reach the worker itself, and once. The first of
    them is on the node that called the others.

    >>> seat({"SLURM_NTASKS": "1"})
    {}
    """
    if slurm.get("SLURM_NTASKS", "1") == "1":
        return {}
    nodes = int(slurm["SLURM_JOB_NUM_NODES"])
    return {
        "RANK": slurm["SLURM_PROCID"],
        "WORLD_SIZE": slurm["SLURM_NTASKS"],
        "LOCAL_RANK": slurm["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": str(int(slurm["SLURM_NTASKS"]) // nodes),
        "MASTER_ADDR": slurm["SLURM_LAUNCH_NODE_IPADDR"],
        "MASTER_PORT": str(FIRST_PORT + int(slurm["SLURM_JOB_ID"]) % PORTS),
    }
