"""Slurm, by its own commands: a job submitted through submitit, asked after, and ended."""

from __future__ import annotations

import getpass
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.errors import MachineError

FRESH_S = 2.0  # one question for all runs and all looks at them
SILENT_S = 20.0  # a controller that did not answer is not asked again at each tick
ANSWER_S = 5.0
SAVE_S = 120  # before its time is up a job is asked to save and stop
WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"})


@dataclass(frozen=True)
class Seen:
    """What a cluster says of a job: is it there, does it wait, and why or on which nodes."""

    live: bool
    waiting: bool = False
    reason: str = ""
    nodes: str = ""


GONE = Seen(live=False)


class Queue:
    """What Slurm's queue held a moment ago; a job that has left it never comes back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._jobs: dict[str, Seen] | None = None
        self._gone: set[str] = set()

    def look(self, job: str, *, anew: bool = False) -> Seen | None:
        """Return what Slurm says of a job; None when it does not answer."""
        with self._lock:
            if job in self._gone:
                return GONE
            age = time.monotonic() - self._asked
            known = age < (SILENT_S if self._jobs is None else FRESH_S) and not anew
            if not known or (self._jobs is not None and job not in self._jobs):
                # The last answer may be older than the job itself: it is not gone by that.
                self._jobs, self._asked = _ask(), time.monotonic()
            if self._jobs is None:
                return None
            if job not in self._jobs:
                self._gone.add(job)
            return self._jobs.get(job, GONE)


def _ask() -> dict[str, Seen] | None:
    wanted = ["squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i|%T|%r|%N"]
    try:
        answer = subprocess.run(
            wanted, capture_output=True, text=True, timeout=ANSWER_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return read_queue(answer.stdout)


def read_queue(text: str) -> dict[str, Seen]:
    """Read squeue's lines of number, state, reason and nodes; an array's tasks are one job.

    >>> read_queue("17|PENDING|Resources|\\n")["17"].reason
    'Resources'
    >>> list(read_queue("18_[2-9%2]|PENDING|Resources|\\n18_1|RUNNING|None|n1\\n"))
    ['18']
    """
    found = {}
    for line in text.splitlines():
        number, state, reason, nodes = line.strip().split("|")
        why = "" if reason == "None" else reason
        found[number.partition("_")[0]] = Seen(
            live=True, waiting=state in WAITING, reason=why, nodes=nodes
        )
    return found


QUEUE = Queue()


def look(job: str) -> Seen | None:
    """Return what Slurm says of a job, a moment old; None when it does not answer."""
    return QUEUE.look(job)


def submit(
    folder: Path, name: str, options: dict[str, str], log: Path, begin: Callable[[], None]
) -> str:
    """Have a node call `begin`, its output in a log; return the job's number.

    Slurm's script and the call lie in the folder. Raises `MachineError` when Slurm, or submitit, is
    not here, or when Slurm refuses the options.
    """
    submitit = _submitit()
    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(**_parameters(name, options, log))
    try:
        return str(executor.submit(begin).job_id)
    except (OSError, submitit.core.utils.FailedJobError) as error:
        raise MachineError(
            f"Slurm refused the job: {_last_words(error)}", "Change what is asked of it."
        ) from error


def check() -> None:
    """Raise `MachineError` when no job can be submitted from here."""
    submitit = _submitit()
    if submitit.SlurmExecutor.affinity() < 0:
        raise MachineError(
            "Slurm's commands are not on this machine.", "Log in where sbatch and srun work."
        )


def withdraw(job: str) -> bool:
    """Cancel a job that waits; return whether it has left the queue, and so never began."""
    _call("scancel", "--state=PENDING", job)
    seen = QUEUE.look(job, anew=True)
    return seen is not None and not seen.live


def end(job: str, *, at_once: bool) -> None:
    """Ask a job's worker to save and stop, as SIGTERM does; at once: have Slurm end the job."""
    _call("scancel", *([] if at_once else ["--signal=TERM"]), job)


def _parameters(name: str, options: dict[str, str], log: Path) -> dict[str, Any]:
    asked = dict(options)
    if gpus := asked.pop("gpus", ""):
        asked["gres"] = f"gpu:{gpus}"
    if cpus := asked.pop("cpus", ""):
        asked["cpus-per-task"] = cpus
    path = str(log).replace("%", "%%")  # to Slurm a sign of its own
    ours = {
        "output": path,
        "error": path,
        "chdir": str(PROJECT_ROOT),
        "export": "NONE",  # a person's environment holds tokens: it stays here
        "signal": f"TERM@{SAVE_S}",
        "requeue": True,  # a lost node, a more urgent job: it goes on from its checkpoint
    }
    return {
        "job_name": name,
        "setup": ["unset SLURM_EXPORT_ENV"],  # it would keep the node's own PATH from the worker
        # Of several processes none goes on when one has failed: it would wait for ever.
        "srun_args": [
            *("--output", path, "--error", path),
            "--open-mode=append",
            "--kill-on-bad-exit",
        ],
        "additional_parameters": asked | ours,
    }


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise MachineError(
            "To train on Slurm, the package submitit is missing.",
            "Do: pip install -r requirements-cluster.txt",
        ) from None
    return submitit


def _call(*command: str) -> None:
    try:
        subprocess.run(command, capture_output=True, timeout=ANSWER_S * 2, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise MachineError(
            f"Slurm does not answer: {error}.", f"Try once more, or call {' '.join(command)}."
        ) from error


def _last_words(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    said = [line.removeprefix("sbatch: error:").strip() for line in lines if "error:" in line]
    words = said[0] if said else lines[-1]  # the first has the name that is wrong
    return words.removeprefix("Batch job submission failed:").strip().rstrip(".") + "."
