"""Following a run to its end, as one more reader of its folder."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from codetune_ui.core.errors import RunError
from codetune_ui.runs.events import Event, read_events
from codetune_ui.runs.process import kill_worker, launch, request_stop
from codetune_ui.runs.state import State
from codetune_ui.runs.store import Run

POLL_S = 0.2
STOP = "Stopping after this step, and saving."
WORDS = {
    "scan": "Cancelling the scan.",
    "evaluate": "Cancelling the evaluation.",
    "benchmark": "Cancelling the benchmark.",
    "export": "Cancelling the export.",
    "prepare": "Leaving it here; prepare it again under its name to go on.",
}
COUNTED = ("scan", "evaluate", "export", "prepare")  # kinds of events that follow each other fast


def work(
    run: Run, job: str, say: Callable[[str], None], count: Callable[[str], None] | None = None
) -> State:
    """Start a worker, say what it does, and return the state it ends in.

    Counts of a scan or an evaluation go to `count` where there is one. Raises `RunError` with the
    worker's own words when it refused the input before its first step.
    """
    told = told_before(run)
    with stopping_on_interrupt(run, say, WORDS.get(job, STOP)):
        launch(run, job)
        _tell(run, told, say, count)
    status = run.status()
    if status.state == "failed" and status.refused and status.step == 0:
        raise RunError(status.message, status.hint)
    return run.state()


def attend(run: Run, say: Callable[[str], None], told: int) -> State:
    """Say what a worker does that another started, and return the state it ends in."""
    with stopping_on_interrupt(run, say):
        _tell(run, told, say, None)
    return run.state()


def told_before(run: Run) -> int:
    """Return how many bytes of events earlier attempts wrote."""
    path = run.events_path
    return path.stat().st_size if path.exists() else 0


def _tell(
    run: Run, told: int, say: Callable[[str], None], count: Callable[[str], None] | None
) -> None:
    for event in follow(run, told):
        tell = count if count and event["kind"] in COUNTED else say
        if line := describe(event):
            tell(line)


def follow(run: Run, offset: int = 0) -> Iterator[Event]:
    """Yield the events from a byte offset on until the worker has let go of the run."""
    waits = ""
    while True:
        alive = run.alive()  # before the reading, so that the last events are not missed
        found, offset = read_events(run.events_path, offset)
        yield from found
        if not alive:
            return
        status = run.status()
        if not status.pid and status.phase != waits:  # no worker yet: it waits somewhere
            waits = status.phase
            yield {"kind": "phase", "phase": waits}
        time.sleep(POLL_S)


@contextmanager
def stopping_on_interrupt(
    run: Run, say: Callable[[str], None], words: str = STOP
) -> Iterator[None]:
    """Turn Ctrl-C into a wish to stop and save, and a second one into an end at once."""

    def on_interrupt(*_: object) -> None:
        if run.stop_path.exists():
            say("Ending it at once.")
            kill_worker(run)
        else:
            say(f"{words} Press Ctrl-C again to end it at once.")
            request_stop(run)

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def describe(event: Event) -> str:
    """Return an event as one line for a terminal; empty for those that say nothing new there.

    >>> describe({"kind": "train", "step": 20, "loss": 1.5, "tokens_per_s": 1234.5})
    'step 20 · loss 1.500 · 1,234 tokens/s'
    """
    match event["kind"]:
        case "log" if event.get("level") == "error":
            return ""  # the last word, which the status has too
        case "phase" | "log":
            return str(event.get("message") or event.get("phase") or "")
        case "scan":
            if not event.get("found") and event.get("read"):
                return f"{event['read']:,} files read"
            kept, dropped = event.get("kept", 0), event.get("dropped", 0)
            size = event.get("characters")
            told = "" if size is None else f" · {size / 1e6:,.1f} MB of code"
            return f"{event.get('found', 0):,} found · {kept:,} kept · {dropped:,} dropped{told}"
        case "plan":
            return (
                f"{event.get('total_steps', 0):,} steps of {event.get('tokens_per_step', 0):,} "
                f"tokens · {event.get('family')} · {event.get('quant')} on {event.get('device')}"
            )
        case "evaluate":
            things = event.get("things", "holes")
            return f"{event['done']:,} of {event['total']:,} {things} {event['deed']}"
        case "export" | "prepare":
            return f"{event['done']:,} of {event['total']:,} {event['deed']}"
        case "train":
            speed = event.get("tokens_per_s") or 0
            return f"step {event['step']:,} · loss {_figure(event, 'loss')} · {speed:,.0f} tokens/s"
        case "eval":
            return f"step {event['step']:,} · held-out loss {_figure(event, 'val_loss')}"
        case "scorecard":
            nll = _figure(event, "middle_nll_per_char")
            return f"step {event['step']:,} · held-out holes {nll} nats per character"
        case "checkpoint":
            return f"step {event['step']:,} · checkpoint saved"
        case "resume":
            return f"going on after step {event['step']:,}"
        case _:
            return ""


def _figure(event: Event, name: str) -> str:
    value = event.get(name)
    return "not a number" if value is None else f"{value:.3f}"
