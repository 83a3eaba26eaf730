"""What a worker says and hears: its status and events on disk, and the wish to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal

from codetune_ui.runs.events import EventWriter
from codetune_ui.runs.leftovers import written_by_now
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Run

Wish = Literal["", "save", "discard"]

LOOK_S = 0.5  # steps reach the disk this often
BEAT_S = 4.0  # `updated` is never older than this while the worker lives


class StopRequested(Exception):  # noqa: N818 - a wish, not an error
    """Raised where a job can only be left, not finished; the worker ends as *stopped*."""


class StopWish:
    """Whether somebody wants this worker to stop: the stop file, or a signal."""

    def __init__(self, run: Run) -> None:
        self._path = run.stop_path
        self._signalled = False

    def listen(self) -> None:
        """Take the signals that end a process; a second one ends it at once."""
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._signalled:
            os._exit(128 + number)
        self._signalled = True

    def __call__(self) -> Wish:
        """Return how to stop, or nothing."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except OSError:
            return "save" if self._signalled else ""
        return "discard" if text.strip() == "discard" else "save"

    def check(self) -> None:
        """Raise `StopRequested` when there is a wish to stop."""
        if self():
            raise StopRequested


class Reporter:
    """The one writer of `status.json` and `events.jsonl`; a small thread keeps `updated` fresh."""

    def __init__(self, run: Run, job: str) -> None:
        self.run = run
        self.status = Status.begin(job).replace(earlier=written_by_now(run))
        self._events = EventWriter(run.events_path)
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def open(self) -> None:
        """Write the first status and start the heartbeat."""
        self._write()
        self.event("state", state=self.status.state)
        self._thread.start()

    def close(self) -> None:
        """Stop the heartbeat and write the last status."""
        self._closed.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()
        quietly(self._write)  # on a full disk the free lock tells of the end
        quietly(self._events.close)

    @property
    def cut_short(self) -> bool:
        """Say whether there are steps left that were not made."""
        return self.status.step < self.status.total_steps

    def event(self, kind: str, **fields: Any) -> None:
        """Append one event."""
        self._events.write(kind, **fields)

    def log(self, message: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Append a line of words for the person who watches."""
        self.event("log", level=level, message=message)

    def phase(self, phase: str, message: str = "") -> None:
        """Say what the worker is doing now."""
        self._change(phase=phase, message=message)
        quietly(self._write)
        self.event("phase", phase=phase, message=message)

    def state(self, state: str, **changes: Any) -> None:
        """Say that the job has entered another state."""
        self._change(state=state, **changes)
        quietly(self._write)
        self.event("state", state=state)

    def step(self, step: int) -> None:
        """Note how far the training is; it reaches the disk within half a second."""
        self._change(step=step)
        self._changed.set()

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self.status = self.status.replace(**changes)

    def _write(self) -> None:
        with self._lock:
            self.status = self.status.replace()
            self.run.write_status(self.status)

    def _beat(self) -> None:
        while not self._closed.is_set():
            self._changed.wait(BEAT_S)
            self._changed.clear()
            if not self._closed.is_set():
                quietly(self._write)
            self._closed.wait(LOOK_S)


class NoWish(StopWish):
    """Nobody asks this process: the worker hears the wish and tells it."""

    def __call__(self) -> Wish:
        """Return nothing."""
        return ""


class Mute(Reporter):
    """A reporter that writes nothing: the worker does. What went wrong here goes into the log."""

    def __init__(self, run: Run, job: str) -> None:
        self.run = run
        self.status = Status.begin(job)
        self._lock = threading.Lock()
        self._changed = threading.Event()

    def event(self, kind: str, **fields: Any) -> None:  # noqa: ARG002
        """Print a warning or an error; the rest is not needed twice."""
        if fields.get("level", "info") != "info":
            print(fields["message"], flush=True)  # noqa: T201 - into worker.log

    def _write(self) -> None:
        """Write nothing."""


def quietly(write: Callable[[], None]) -> None:
    """Write what may stay unwritten: a full disk ends a training only where it saves."""
    try:
        write()
    except OSError as error:
        with contextlib.suppress(OSError):  # worker.log lies on the same disk
            print(f"It cannot be written: {error}", flush=True)  # noqa: T201 - into worker.log
