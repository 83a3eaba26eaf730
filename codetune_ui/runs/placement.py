"""Where a run is worked on when it is not on this machine: `place.json` in its folder.

A person types it as `slurm:partition=gpu,time=12:00:00,gpus=1` or `sky:infra=k8s`. A run without
the file is worked on here.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codetune_ui.core.errors import ConfigError
from codetune_ui.runs.files import read_json, replace_json

HERE = "here"
CLUSTERS = {"slurm": "Slurm", "sky": "SkyPilot"}
TICKET = "CODETUNE_TICKET"  # names the submission to the worker that was begun by it
DEFAULTS = {"slurm": {"time": "12:00:00"}, "sky": {}}
TOOLS = {"slurm": "sbatch", "sky": "sky"}
EXAMPLES = {"slurm": "slurm:partition=gpu", "sky": "sky:infra=k8s"}
# Options that the app sets itself: where it reads and writes, and how it is ended.
OURS = {
    "slurm": frozenset(
        (
            *("array", "chdir", "error", "export", "export-file", "get-user-env", "input"),
            *("job-name", "ntasks", "ntasks-per-node", "open-mode", "output", "signal"),
            *("wait", "wrap"),
        )
    ),
    "sky": frozenset({"autostop"}),
}
OPTION = re.compile(r"([a-z][a-z_-]*)=(\S[^\n\r]*)")
NEXT_OPTION = re.compile(r",(?=[a-z][a-z_-]*=)")  # a value may hold commas: nodelist=a1,a2


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The cluster that works on a run, what was asked of it, and which job of it that is now."""

    on: str
    options: dict[str, str] = field(default_factory=dict)
    job: str = ""  # the cluster's own number of it; "" before it has one
    ticket: str = ""  # our name of the submission: the worker that has it is the one that may work

    @property
    def has_queue(self) -> bool:
        """Whether the cluster's queue tells if a run is alive; else a courier here does."""
        return self.on == "slurm"

    def spread(self, processes: int) -> dict[str, str]:
        """Return what is asked of the cluster for a run of so many processes.

        On one node the worker starts the others itself; on several the cluster starts them all.
        """
        nodes = self.options.get("nodes", "1")
        if nodes == "1":
            return self.options
        if not nodes.isdecimal() or processes % int(nodes):
            raise ConfigError(
                f"{processes} processes cannot be spread over {nodes} nodes.",
                f"Set processes to {nodes} or a multiple of it.",
                field="processes",
            )
        return self.options | {"ntasks-per-node": str(processes // int(nodes))}

    def replace(self, **changes: Any) -> Placement:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def parse_placement(text: str) -> Placement | None:
    """Read what a person typed after --on; None is this machine.

    >>> parse_placement("slurm:partition=gpu,gpus=1").options
    {'time': '12:00:00', 'partition': 'gpu', 'gpus': '1'}
    """
    on, _, rest = text.strip().partition(":")
    if on == HERE and not rest:
        return None
    if on not in CLUSTERS:
        known = ", ".join([HERE, *CLUSTERS])
        raise ConfigError(f"'{on}' is no place to train on.", f"There are: {known}.", field="on")
    found = dict(DEFAULTS[on])
    for part in NEXT_OPTION.split(rest) if rest else []:
        option = OPTION.fullmatch(part.strip())
        if option is None:
            raise ConfigError(
                f"'{part.strip()}' is no option of {CLUSTERS[on]}.",
                f"Write NAME=VALUE, as in {EXAMPLES[on].partition(':')[2]}.",
                field="on",
            )
        if option[1] in OURS[on]:
            raise ConfigError(
                f"'{option[1]}' is set by the app itself.", "Leave it away.", field="on"
            )
        found[option[1]] = option[2]
    return Placement(on=on, options=found)


def read_placement(folder: Path) -> Placement | None:
    """Return where the run in a folder is worked on; None is this machine."""
    values = read_json(folder / "place.json")
    if values is None:
        return None
    known = {one.name for one in dataclasses.fields(Placement)}
    return Placement(**{name: value for name, value in values.items() if name in known})


def queued(folder: Path) -> Placement | None:
    """Return where the run in a folder is if a cluster's queue, and no lock, tells how it goes."""
    placement = read_placement(folder)
    return placement if placement is not None and placement.has_queue else None


def write_placement(folder: Path, placement: Placement | None) -> None:
    """Say where the run in a folder is worked on from its next start on."""
    if placement is None:
        (folder / "place.json").unlink(missing_ok=True)
    else:
        replace_json(folder / "place.json", dataclasses.asdict(placement))


def ticket() -> str:
    """Return the submission that this process was begun by; "" on the person's own machine."""
    return os.environ.get(TICKET, "")


def whereabouts(folder: Path) -> str:
    """Say in one sentence where a run is worked on, and where its code is read; "" is here."""
    placement = read_placement(folder)
    return destination(placement, folder) if placement is not None else ""


def destination(placement: Placement, folder: Path) -> str:
    """Say the same of a run that is still to be made, in a folder or below it."""
    options = placement.options
    job = f", job {placement.job}" if placement.job else ""
    if placement.on == "sky":
        infra = (
            f" on {options['infra']}" if "infra" in options else " on the cheapest of your clouds"
        )
        return f"With SkyPilot{infra}{job}: your code, the model and this run are copied there."
    asked = f", partition '{options['partition']}'" if "partition" in options else ""
    asked += f", {options['nodes']} nodes" if "nodes" in options else ""
    return f"On Slurm{asked}{job}: its nodes read your code, and write, in {folder}."
