"""A run in a cluster's queue: handed over, looked after and ended, as `process` does it here.

The home lies on a file system that the cluster's nodes share, so that the run's folder is one and
the same there and here. What the folder cannot tell, the cluster is asked: is the job still there?
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError, RunError
from codetune_ui.runs import on_node, sky, slurm
from codetune_ui.runs.cards import check_here
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.lock import LockHeldError, hold
from codetune_ui.runs.placement import (
    CLUSTERS,
    TOOLS,
    Placement,
    parse_placement,
    queued,
    read_placement,
    ticket,
    write_placement,
)
from codetune_ui.runs.state import ACTIVE, ENDED, Status

if TYPE_CHECKING:
    from codetune_ui.runs.store import Run

BEAT_FRESH_S = 60.0  # a worker writes its status every few seconds
POLL_S = 0.5
END_S = 60.0  # Slurm gives a job half a minute between SIGTERM and SIGKILL


class Submitted:
    """A worker on another machine, as far as one can hold it from here."""

    pid = 0  # it has one there, which means nothing here

    def __init__(self, run: Run) -> None:
        self._run = run

    def poll(self) -> int | None:
        """Return 0 when it did what was wanted, 1 when not, None before its end."""
        if self._run.alive():
            return None
        return 0 if self._run.state() in ("finished", "stopped") else 1

    def wait(self) -> int:
        """Wait for its end, and return what `poll` does."""
        while (code := self.poll()) is None:
            time.sleep(POLL_S)
        return code


def clusters_here() -> list[str]:
    """Return the places a job could be handed over to: those whose commands are on this machine."""
    return [on for on, tool in TOOLS.items() if shutil.which(tool)]


def choose(text: str) -> Placement | None:
    """Read what was typed after --on, and see that a job can be handed over there from here."""
    placement = parse_placement(text)
    if placement is not None:
        (slurm if placement.has_queue else sky).check()
    return placement


def check_place(config: Config, placement: Placement | None) -> None:
    """Raise `ConfigError` when a run cannot be divided among the cards or nodes of its place."""
    if placement is None:
        check_here(config)
    elif config.cards:
        raise ConfigError(
            f"Cards are chosen on this machine, and {CLUSTERS[placement.on]} gives its own.",
            "Leave cards empty, and set processes to their number.",
            field="cards",
        )
    elif placement.has_queue:
        placement.spread(config.processes)


def worker_of(run: Run) -> str:
    """Return the module that is the worker, on this machine, of a run that no queue works on."""
    here = read_placement(run.path) is None
    return "codetune_ui.engine.worker" if here else "codetune_ui.runs.courier"


def place(run: Run, placement: Placement | None) -> None:
    """Say where a run is worked on from its next start on; raise `RunError` while it runs."""
    if run.alive():
        raise RunError(f"'{run.name}' is running and cannot be moved.", "Stop it first.")
    write_placement(run.path, placement)


def submit(run: Run, placement: Placement, job: str, earlier: dict[str, int]) -> Submitted:
    """Hand a run over; return once the cluster has taken it, which may begin it much later.

    earlier: what its earlier attempts left, see `Status`. Raises `LockHeldError` when another does
    the same, or has done it.
    """
    with hold(run.lock_path, wait_s=0.0):  # no worker holds it here
        if alive(run):
            raise LockHeldError(str(run.path))
        _submit(run, placement, job, earlier)
    return Submitted(run)


def _submit(run: Run, placement: Placement, job: str, earlier: dict[str, int]) -> None:
    before, asked = read_json(run.status_path), placement.spread(run.config().processes)
    mine = placement.replace(job="", ticket=secrets.token_hex(8))
    write_placement(run.path, mine)
    run.write_status(_handed_over(job, mine, earlier))
    begin = partial(on_node.become_worker, job, str(run.path), mine.ticket, on_node.handed_on())
    name = f"codetune-{run.name}"
    try:
        number = slurm.submit(run.path / "slurm", name, asked, run.log_path, begin)
    except BaseException:
        write_placement(run.path, placement)
        if before is None:
            run.status_path.unlink(missing_ok=True)
        else:
            replace_json(run.status_path, before)
        raise
    write_placement(run.path, mine.replace(job=number))


def _handed_over(job: str, placement: Placement, earlier: dict[str, int]) -> Status:
    now = time.time()
    return Status(
        state="preparing",
        job=job,
        phase=f"Handing it over to {CLUSTERS[placement.on]}",
        started=now,
        updated=now,
        ticket=placement.ticket,
        earlier=earlier,
    )


def alive(run: Run) -> bool:
    """Say whether a run in a queue has a worker, or a job that will become one."""
    placement, written = read_placement(run.path), Status.read(run.status_path)
    if placement is None or _is_over(run.path, placement, written):
        return False
    seen = slurm.look(placement.job) if placement.job else None
    if seen is not None:
        if not seen.live:
            _look_anew(run.path)
        return seen.live
    # Just being handed over, or the cluster does not answer: then its heartbeat has to do.
    return written.state in ACTIVE and time.time() - written.updated < BEAT_FRESH_S


def _is_over(folder: Path, placement: Placement, written: Status) -> bool:
    """Say whether a worker has said its last word: the rest is for the cluster to tidy up."""
    if written.state not in ENDED or written.ticket != placement.ticket:
        return False
    if written.state != "stopped" or (folder / "stop").exists():
        return True
    # Not a person stopped it: a job that made room for a more urgent one is put back in the queue.
    seen = slurm.look(placement.job)
    return seen is None or not seen.waiting


def as_seen(folder: Path, written: Status) -> Status:
    """Return a status with the queue's own words as long as no worker of the job has any."""
    placement = queued(folder)
    if placement is None or not placement.job or _is_over(folder, placement, written):
        return written
    seen = slurm.look(placement.job)
    if seen is None or not seen.live:
        return written
    if seen.waiting:
        why = f" ({seen.reason})" if seen.reason else ""
        phase = f"Waiting in {CLUSTERS[placement.on]}'s queue{why}"
        return dataclasses.replace(written, state="preparing", phase=phase, pid=0)
    if not written.pid:
        return dataclasses.replace(written, phase=f"Starting on {seen.nodes}")
    return written


def withdraw(run: Run) -> None:
    """Take back a job that only waits: it has no worker that could hear of a wish to stop."""
    placement = queued(run.path)
    if placement is None or not placement.job:
        return
    seen = slurm.look(placement.job)
    if seen is not None and seen.waiting and slurm.withdraw(placement.job):
        written = Status.read(run.status_path)
        if written.state in ACTIVE:
            run.write_status(written.replace(state="stopped", phase=""))


def end(placement: Placement, *, at_once: bool) -> None:
    """Ask the worker to save and stop without the stop file; at once: end it, nothing is saved."""
    if placement.job:
        slurm.end(placement.job, at_once=at_once)


@contextmanager
def claim(folder: Path, lock_path: Path) -> Iterator[None]:
    """Be the one worker of a run for the length of a `with`; raise `LockHeldError` if another is.

    Locks are not to be relied on between machines: there the run's own ticket decides.
    """
    if not ticket():
        with hold(lock_path):
            yield
        return
    placement = read_placement(folder)
    if placement is None or placement.ticket != ticket():
        raise LockHeldError(str(folder))
    yield


def _look_anew(folder: Path) -> None:
    # A file system on the network shows a folder as it was some seconds ago, until it is opened:
    # the last word of a worker must not be missed, or a finished run would be told as lost.
    with os.scandir(folder):
        pass
