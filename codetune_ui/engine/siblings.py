"""The other processes of a training, as seen from the worker that starts, watches and ends them.

They are started before the worker loads torch, so that all load it at once. What one writes goes
into the worker's log, with its number before each line. None outlives the worker: its end of their
pipe closes, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.errors import CodeTuneError, MachineError, RunError
from codetune_ui.engine.seat import Seat, card_of
from codetune_ui.runs.cards import VISIBLE
from codetune_ui.runs.store import Run

HOST = "127.0.0.1"
LOOPBACK = {"linux": "lo", "darwin": "lo0"}
STARTED_BY_WORKER = "CODETUNE_SIBLING"  # set: a sibling ends when its standard input does
REFUSED = 2  # the exit status of one whose last line says why
END_S = 10.0
GRACE_S = 10.0  # for the worker to see by itself that one is gone, and to tidy up
WAY_OUT = "See the log, then resume: the last checkpoint is whole."


class AloneError(MachineError):
    """Another process of the training is gone: which one, the worker may know."""

    def __init__(self) -> None:
        super().__init__("Another process of the training ended unexpectedly.", WAY_OUT)


class Siblings:
    """Those that the worker starts beside itself; they end with the `with` block.

    machine: the environment as the worker found it, before it chose its own card. give_up: called
    in a thread when one is gone and the worker waits for it all the same. `listener` is where they
    meet the worker; None where it has none to start.
    """

    def __init__(
        self,
        run: Run,
        job: str,
        seat: Seat,
        machine: Mapping[str, str],
        give_up: Callable[[CodeTuneError], None],
    ) -> None:
        self.seat = seat
        self.listener: socket.socket | None = None
        self._command = [sys.executable, "-m", "codetune_ui.engine.worker", job, str(run.path)]
        self._machine = machine
        self._give_up = give_up
        self._processes: list[subprocess.Popen[bytes]] = []
        self._watches: list[threading.Thread] = []
        self._failure: CodeTuneError | None = None
        self._failed = threading.Event()
        self._closing = threading.Event()

    def start(self) -> None:
        """Start those that are missing, and listen for them."""
        if self.seat.size == 1:
            return
        if sys.platform in LOOPBACK:  # nothing of this is for the network
            for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
                os.environ.setdefault(name, LOOPBACK[sys.platform])
        self.listener = socket.create_server((HOST, 0), backlog=self.seat.size)
        for rank in range(1, self.seat.size):
            self._start(replace(self.seat, rank=rank, local=rank))

    def _start(self, seat: Seat) -> None:
        assert self.listener is not None
        process = subprocess.Popen(
            self._command,
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                **seat.environment(),
                VISIBLE: card_of(seat, self._machine),
                "MASTER_ADDR": HOST,
                "MASTER_PORT": str(self.listener.getsockname()[1]),
                STARTED_BY_WORKER: "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",  # a signal to the group is the worker's to obey
        )
        self._processes.append(process)
        self._watches.append(
            threading.Thread(target=self._watch, args=(seat, process), daemon=True)
        )
        self._watches[-1].start()

    def _watch(self, seat: Seat, process: subprocess.Popen[bytes]) -> None:
        """Hand on what one writes, and see how it ends."""
        assert process.stdout is not None
        last = ""
        with process.stdout:
            for line in process.stdout:
                last = line.decode("utf-8", "replace").rstrip()
                with contextlib.suppress(OSError):  # a full disk: it must be read on all the same
                    print(f"{seat.words}: {last}", flush=True)  # noqa: T201 - into worker.log
        code = process.wait()
        if code == 0 or self._closing.is_set():
            return
        self._failure = self._failure or _failure(seat, code, last)
        self._failed.set()
        if not self._closing.wait(GRACE_S):  # a GPU waits for an answer that never comes
            self._give_up(self._failure)

    def __enter__(self) -> Siblings:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        lost = isinstance(error, AloneError)
        if lost and self._processes:
            self._failed.wait(END_S)  # which one it was is known a moment later
        self._end()
        if lost and self._failure is not None:
            raise self._failure from error

    def _end(self) -> None:
        self._closing.set()
        if self.listener is not None:
            self.listener.close()  # where nobody came
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()  # the sign to go
        deadline = time.monotonic() + END_S
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for watch in self._watches:
            watch.join(END_S)


def _failure(seat: Seat, code: int, last: str) -> CodeTuneError:
    what = seat.words.capitalize()
    if code == REFUSED and last:
        return RunError(f"{what} cannot go on: {last}")
    how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
    return RunError(f"{what} ended unexpectedly ({how}).", WAY_OUT)
