"""Filling a hole with base and adapter, as a stream of views; a new press ends the one before."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from codetune_ui.core.completion import BASE, adapter_model
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.neighbours import Neighbour
from codetune_ui.runs.client import CompletionClient, ensure_server, server_state
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import play_view, words
from codetune_ui.ui.play_holes import Hole, Known
from codetune_ui.ui.play_view import Side

DRAW_S = 0.08  # between two drawings of a text that grows
WAIT_S = 0.25  # between two looks at a server that starts


@dataclass(frozen=True)
class Wish:
    """What is asked for at one press; without a run, of the base alone."""

    hole: Hole
    known: Known
    config: Config
    run: str
    max_tokens: int
    temperature: float
    seed: int | None
    one_line: bool = False
    path: str = ""
    """Where the code lies, for a run that was trained to read it."""
    extra: tuple[Neighbour, ...] = ()
    context_tokens: int | None = None
    """The most those files take, for base and adapter alike; None is all the room."""


class Presses:
    """The last press of each browser tab: the one before has to end."""

    def __init__(self) -> None:
        self._last: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def begin(self, session: str) -> threading.Event:
        """End a tab's earlier press, and return the event that will end this one."""
        cancel = threading.Event()
        with self._lock:
            earlier = self._last.get(session)
            self._last[session] = cancel
        if earlier is not None:
            earlier.set()
        return cancel

    def end(self, session: str, cancel: threading.Event) -> None:
        """Forget a press that has come to its end."""
        with self._lock:
            if self._last.get(session) is cancel:
                del self._last[session]


def fill(home: Home, wish: Wish, cancel: threading.Event) -> Iterator[str]:
    """Yield what the page shows: the wait, the growing texts, or what went wrong."""
    label = words.model_label(wish.config.base_model)
    try:
        client: CompletionClient | None = None
        for state in _connect(home, wish.config, cancel):
            if isinstance(state, CompletionClient):
                client = state
            else:
                yield play_view.waiting(state, label)
        if client is not None:
            yield from _write(client, wish, label, cancel)
    except CodeTuneError as error:
        yield play_view.trouble(error)


def _connect(
    home: Home, config: Config, cancel: threading.Event
) -> Iterator[float | CompletionClient]:
    """Yield the seconds waited so far, and at last the client; nothing more after a cancel."""
    began = time.monotonic()
    with_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="connect")
    ready: Future[CompletionClient] = with_thread.submit(ensure_server, home, config)
    with_thread.shutdown(wait=False)
    while not cancel.is_set():
        try:
            yield ready.result(timeout=WAIT_S)
            return
        except TimeoutError:
            yield time.monotonic() - began


def _write(
    client: CompletionClient, wish: Wish, label: str, cancel: threading.Event
) -> Iterator[str]:
    """Ask both models at once: where it can, the server writes their texts in one batch."""
    sides = [Side("base", label)]
    if wish.run:
        sides.append(Side("tuned", wish.run))
    yield play_view.render(wish.hole, sides, wish.known)
    news: SimpleQueue[tuple[int, Side | None]] = SimpleQueue()
    gone = threading.Event()
    with ThreadPoolExecutor(max_workers=len(sides), thread_name_prefix="fill") as threads:
        asked = [
            threads.submit(_follow, client, wish, side, index, news, gone)
            for index, side in enumerate(sides)
        ]
        try:
            going, drawn = len(sides), 0.0
            while going and not cancel.is_set():
                try:
                    index, written = news.get(timeout=WAIT_S)
                except Empty:
                    continue
                if written is None:
                    asked[index].result()  # raises what went wrong
                    going -= 1
                    continue
                sides[index] = written
                if written.done or time.monotonic() - drawn > DRAW_S:
                    drawn = time.monotonic()
                    yield play_view.render(wish.hole, sides, wish.known)
        finally:
            gone.set()


def _follow(
    client: CompletionClient,
    wish: Wish,
    side: Side,
    index: int,
    news: SimpleQueue[tuple[int, Side | None]],
    gone: threading.Event,
) -> None:
    """Tell of one model's fill as it grows; None is the end."""
    try:
        with closing(_one(client, wish, side)) as texts:
            for written in texts:
                news.put((index, written))
                if gone.is_set():
                    return
    finally:
        news.put((index, None))


def _one(client: CompletionClient, wish: Wish, side: Side) -> Generator[Side, None, None]:
    """Yield one model's fill as it grows; the last one is done."""
    model = BASE if side.kind == "base" else adapter_model(wish.run)
    chunks = client.complete(
        wish.hole.prefix,
        wish.hole.suffix,
        model=model,
        max_tokens=wish.max_tokens,
        temperature=wish.temperature,
        seed=wish.seed,
        stop=("\n",) if wish.one_line else (),
        path=wish.path,
        extra=wish.extra,
        context_tokens=wish.context_tokens,
    )
    written = replace(side, text="")
    with closing(chunks):  # leaving early closes the connection, and the server stops writing
        for chunk in chunks:
            written = replace(
                written,
                text=(written.text or "") + chunk.text,
                timings=chunk.timings,
                mode=chunk.mode or "",
            )
            yield written


# --- what can be chosen


def trained_runs(home: Home) -> list[Run]:
    """Return the runs that have an adapter, the newest first."""
    return [run for run in home.runs() if (run.adapter_dir / "adapter_model.safetensors").is_file()]


def run_choices(home: Home) -> list[tuple[str, str]]:
    """Return the choices of the run list, (label, name); the last one is the base alone."""
    found = []
    for run in trained_runs(home):
        try:
            base = words.model_label(run.config().base_model)
        except CodeTuneError:
            continue
        found.append((f"{run.name} · {base}", run.name))
    return [*found, ("Base model only", "")]


def server_note(home: Home, config: Config) -> str:
    """Say in one line what the next press will meet."""
    label = words.model_label(config.base_model)
    state = server_state(home)
    if state is not None and state.serves(config):
        return f"Loaded: {label}."
    if state is not None:
        other = words.model_label(state.base_model)
        return f"The next fill loads {label} in place of {other}."
    return f"The first fill loads {label}; it stays in memory until it is idle for 30 minutes."
