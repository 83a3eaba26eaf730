"""Starting a worker so that it outlives us, and ending one without ever hitting a stranger.

A worker is alive while it holds its run's lock. It is signalled only when pid, time of birth,
boot and command line all say that it is ours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

import psutil

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.runs import elsewhere
from codetune_ui.runs.leftovers import discard_attempt, written_by_now
from codetune_ui.runs.lock import LockHeldError, hold, is_held
from codetune_ui.runs.placement import queued
from codetune_ui.runs.state import State, Status
from codetune_ui.runs.store import Run, replace_text

__all__ = [
    "LockHeldError",
    "end_with_parent",
    "environment",
    "hold",
    "is_held",
    "kill_worker",
    "launch",
    "leave_at_once",
    "request_stop",
    "run_in_foreground",
    "spawn",
    "start_worker",
    "stop_and_wait",
    "stop_in_background",
]

POLL_S = 0.05
BEGIN_S = 20.0  # a worker writes its status before it loads torch
TERM_S = 10.0
PATIENCE_S = 60.0
# What libraries read, ours or others that are installed beside them, before they tell anybody.
SILENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "WANDB_MODE": "disabled",
    "COMET_MODE": "disabled",
    "CLEARML_OFFLINE_MODE": "1",
}
WEIGHTS_ONLY = "resume-weights"  # the job of going on without the optimizer's state
# A launcher's or a cluster's, for the processes that it started: ours are none of those.
SEAT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
NOT_HANDED_ON = ("TOKENIZERS_PARALLELISM", "CODETUNE_AUTH", *SEAT)


class Worker(Protocol):
    """A worker that was started, here or elsewhere."""

    pid: int

    def poll(self) -> int | None:
        """Return its exit status; None while it works."""

    def wait(self) -> int:
        """Wait for its end, and return its exit status."""


def start_worker(run: Run, job: str) -> int:
    """Do what `launch` does, and return the pid."""
    return launch(run, job).pid


def launch(run: Run, job: str) -> Worker:
    """Start a worker on a run's folder; return once it has said that it is there.

    A run that is placed elsewhere is handed over instead; return once it is in the queue there.

    job: "scan", "train", "resume" and so on, see the worker. Raises `RunError` when the run has a
    worker already, or when the worker ended before it could say anything. Its exit status: 0 done,
    1 failed, 2 refused.
    """
    if run.alive():
        raise _already(run)
    run.stop_path.unlink(missing_ok=True)  # an old wish must not end a new attempt
    if (placement := queued(run.path)) is not None:
        try:
            return elsewhere.submit(run, placement, job, written_by_now(run))
        except LockHeldError:
            raise _already(run) from None
    before = run.status()
    command = [sys.executable, "-m", elsewhere.worker_of(run), job, str(run.path)]
    worker = spawn(command, log_path=run.log_path, home=run.home.path)
    deadline = time.monotonic() + BEGIN_S
    while not _has_begun(run, before, worker) and time.monotonic() < deadline:
        if worker.poll() is not None and not _has_begun(run, before, worker):
            raise _already(run) if run.alive() else _stillborn(run)
        time.sleep(POLL_S)
    if worker.poll() and run.alive():
        raise _already(run)  # two started at once; the other one won the lock
    return worker


def _has_begun(run: Run, before: Status, worker: subprocess.Popen[bytes]) -> bool:
    """Say whether a status is there that this worker wrote, not one started at the same time."""
    status = run.status()
    # On Windows a virtual environment's Python is another process than the one we started.
    return status != before and (os.name != "posix" or status.pid == worker.pid)


def spawn(command: list[str], *, log_path: Path, home: Path) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one and writes to a file, never to a pipe of ours."""
    new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    no_window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        with os.fdopen(
            os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab"
        ) as log:
            process = subprocess.Popen(
                command,
                cwd=PROJECT_ROOT,
                env=environment(home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # closing the page's terminal must not end the training
                start_new_session=os.name == "posix",
                umask=0o077 if os.name == "posix" else -1,  # a person's code is in what it writes
                creationflags=new_group | no_window,
            )
    except OSError as error:
        raise MachineError(
            f"The worker cannot be started: {error.strerror or error}.", "Free memory and disk."
        ) from error
    # Somebody has to wait for a child, or it stays in the process table as a zombie.
    threading.Thread(target=process.wait, daemon=True, name=f"reap-{process.pid}").start()
    return process


def run_in_foreground(
    command: list[str], *, home: Path, meanwhile: Callable[[subprocess.Popen[bytes]], None]
) -> int:
    """Run a process that writes to this terminal and ends with us; return its exit status.

    `meanwhile` is called with it once it runs. An end by Ctrl-C or SIGTERM counts as 0.
    """
    ended_by_us = False

    def end(*_: object) -> None:
        nonlocal ended_by_us
        ended_by_us = True
        process.terminate()

    # In a group of its own: Ctrl-C comes to us alone and is handed on as the gentler SIGTERM.
    process = subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        meanwhile(process)
        process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if process.poll() is None:
            process.terminate()
            process.wait()
    return 0 if ended_by_us else process.returncode


def end_with_parent() -> None:
    """End this process once its parent is gone, however it went: its end of the pipe closes."""
    threading.Thread(target=_wait_for_parent, daemon=True, name="parent").start()


def _wait_for_parent() -> None:
    # Not through sys.stdin: its lock would be held at the interpreter's own shutdown.
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(0)


def leave_at_once(code: int) -> NoReturn:
    """End this process without waiting for what libraries still do in it."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a process of ours: this one's, with our home, telling nobody."""
    own = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    return {
        **own,
        **SILENT,
        "CODETUNE_HOME": str(home),
        "KF_RULE_CACHE_DIR": str(home / "cache" / "secrets"),  # else in the person's own cache
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


def request_stop(run: Run, *, discard: bool = False) -> None:
    """Ask the worker to finish its step and stop; asking twice is asking once.

    A wish to discard is not taken back by a later wish to save: the worker may have acted on it.
    """
    if not run.alive():
        return
    with contextlib.suppress(OSError):
        if run.stop_path.read_text(encoding="utf-8") == "discard":
            return
    replace_text(run.stop_path, "discard" if discard else "save")
    elsewhere.withdraw(run)


def stop_and_wait(
    run: Run, *, patience_s: float = PATIENCE_S, discard: bool = False, term_s: float = TERM_S
) -> State:
    """Stop a run's worker and return the state it is left in.

    stop file → (patience) → SIGTERM to its group → (term) → SIGKILL to the tree seen before.
    When another is stopping the same run already, only wait with it: a second SIGTERM means
    "exit at once, save nothing".
    """
    request_stop(run, discard=discard)
    try:
        with hold(run.path / ".stopper", wait_s=0.0):
            if not _wait_for_end(run, patience_s):
                _escalate(run, term_s)
    except LockHeldError:
        _wait_for_end(run, patience_s + term_s)
    if discard and not run.alive():
        discard_attempt(run)
    return run.state()


def stop_in_background(
    run: Run, *, patience_s: float = PATIENCE_S, discard: bool = False
) -> threading.Thread:
    """Do `stop_and_wait` in a thread of its own; for a page, which must answer at once."""
    request_stop(run, discard=discard)  # here, so that the next look at the state says stopping
    thread = threading.Thread(
        target=lambda: stop_and_wait(run, patience_s=patience_s, discard=discard),
        daemon=True,
        name=f"stop-{run.name}",
    )
    thread.start()
    return thread


def kill_worker(run: Run) -> None:
    """End the worker and all its children at once; nothing is saved."""
    if (placement := queued(run.path)) is not None:
        elsewhere.end(placement, at_once=True)
    tree = _tree(run)
    _kill(tree)
    psutil.wait_procs(tree, timeout=TERM_S)


def _escalate(run: Run, term_s: float) -> None:
    if (placement := queued(run.path)) is not None:
        elsewhere.end(placement, at_once=False)
        if not _wait_for_end(run, term_s):
            elsewhere.end(placement, at_once=True)
            _wait_for_end(run, elsewhere.END_S)
        return
    tree = _tree(run)  # beforehand: orphans of a dead parent can no longer be told as its
    if not tree:
        return
    _terminate(tree[0])
    if not _wait_for_end(run, term_s):
        _kill(tree)
    psutil.wait_procs(tree, timeout=term_s)
    _kill(tree)  # those who outlived their parent


def _tree(run: Run) -> list[psutil.Process]:
    """Return the worker and its descendants, parent first; empty unless it is surely ours."""
    process = run.status().process()
    if process is None or queued(run.path) is not None or not run.alive():
        return []
    try:
        if str(run.path) not in process.cmdline():
            return []
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _terminate(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform == "win32":
            process.terminate()  # its console is its own, so that no gentler signal reaches it
        elif os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()  # it shares a group with others, perhaps with us


def _kill(tree: list[psutil.Process]) -> None:
    for process in tree:
        with contextlib.suppress(psutil.Error):
            process.kill()  # psutil compares the birth again: a reused pid is left alone


def _wait_for_end(run: Run, wait_s: float) -> bool:
    deadline = time.monotonic() + wait_s
    while run.alive():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def _already(run: Run) -> RunError:
    return RunError(f"'{run.name}' is running already.", "Watch it, or stop it first.")


def _stillborn(run: Run) -> RunError:
    return RunError(f"The worker of '{run.name}' ended before it began.", f"See {run.log_path}.")
