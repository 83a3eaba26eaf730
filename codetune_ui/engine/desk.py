"""Who is served next: those there is room for, a short queue, and an ear for those who left."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codetune_ui.core.completion import BASE, Ask, Chunk, adapter_model, run_of
from codetune_ui.core.config import Config
from codetune_ui.core.context import repository_name
from codetune_ui.core.errors import CodeTuneError, MachineError, ModelError
from codetune_ui.core.export_ollama import template
from codetune_ui.core.families import FimFormat, find_format
from codetune_ui.runs.store import Home, Run

if TYPE_CHECKING:
    from codetune_ui.engine.answer import Job
    from codetune_ui.engine.generate import Completer

Put = Callable[["Chunk | Exception | None"], None]

WEIGHTS = "adapter_model.safetensors"
QUEUE = 32  # who comes later is told to try again; an editor has one or two requests at a time


@dataclass(frozen=True)
class Order:
    """What is asked for, of which run (None is the base), by whom."""

    ask: Ask
    run: Run | None
    cancel: threading.Event
    put: Put


class Desk:
    """The one model of this process and those who wait for it."""

    def __init__(self, home: Home, config: Config) -> None:
        self.home = home
        self.config = config
        self.default = BASE
        """Who answers a request that names no model."""
        self.completer: Completer | None = None  # None while it loads
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generate")
        self._orders: deque[Order] = deque()  # not begun yet
        self._waiting: set[threading.Event] = set()  # begun or not
        self._last = time.monotonic()
        self._began = time.time()
        self._formats: dict[str, tuple[int, FimFormat | None]] = {}  # of runs, and as of when

    def open(self, completer: Completer) -> None:
        """Begin to answer."""
        self.completer = completer
        self._last = time.monotonic()

    def close(self) -> None:
        """Stop whatever is being written."""
        for cancel in list(self._waiting):
            cancel.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def idle_s(self) -> float:
        """Return how long ago the last answer ended; 0 while one is being written or loaded."""
        busy = self._waiting or self.completer is None
        return 0.0 if busy else time.monotonic() - self._last

    def models(self) -> list[str]:
        """Return the names that can be asked for: the base, and every adapter that fits it."""
        runs = [run for run in self.home.runs() if self._fits(run) and _has_adapter(run)]
        return ["base", *(adapter_model(run.name) for run in runs)]

    def sizes(self) -> list[tuple[str, float, int]]:
        """Return each name with when it last changed (s) and its size; the base's are not told."""
        found = [(BASE, self._began, 0)]
        for name in self.models()[1:]:
            path = self.home.run(run_of(name) or "").adapter_dir / WEIGHTS
            about = path.stat()
            found.append((name, about.st_mtime, about.st_size))
        return found

    def family(self, run: Run | None) -> tuple[str, str]:
        """Return the family's name and the order of its prompt, as Ollama writes a template."""
        if self.completer is None:
            raise MachineError("The model is being loaded.", "Try again in a moment.")
        format = self.completer.format if run is None else self._format(run)
        return ("plain" if format is None else format.family.name), template(format)

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and answer may have together; 0 while it loads."""
        return 0 if self.completer is None else self.completer.longest

    @property
    def rows(self) -> int:
        """Answers that are written side by side; 0 while it loads."""
        return 0 if self.completer is None else self.completer.rows

    @property
    def device(self) -> str:
        """Where the model is; "" while it loads."""
        return "" if self.completer is None else self.completer.device

    def find(self, model: str) -> Run | None:
        """Return the run behind a served name, None for the base; refuse what cannot be served."""
        name = run_of(model)
        if name is None:
            return None
        run = self.home.run(name)
        if not _has_adapter(run):
            raise ModelError(f"'{name}' has no adapter yet.", "Train it first.")
        if not self._fits(run):
            raise ModelError(
                f"The adapter of '{name}' was trained on {run.config().base_model},"
                f" not on {self.config.base_model}.",
                "Serve the base it was trained on.",
            )
        return run

    def prepare(self, name: str) -> None:
        """Load a run's adapter now, so that the first who asks need not wait."""
        run = self.find(adapter_model(name))
        if run is not None:
            self._thread.submit(self._warm_up, run).result()
            self.default = adapter_model(name)

    async def answer(
        self, ask: Ask, run: Run | None, cancel: threading.Event
    ) -> AsyncGenerator[Chunk, None]:
        """Yield an answer's chunks; setting `cancel` ends it after the token it is at.

        Raises `MachineError` when the model is loading still or too many wait.
        """
        if self.completer is None:
            raise MachineError("The model is being loaded.", "Try again in a moment.")
        if len(self._waiting) > QUEUE:
            raise MachineError("Too many requests wait for the model.", "Try again in a moment.")
        self._waiting.add(cancel)
        queue: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue()
        try:
            self._orders.append(Order(ask, run, cancel, _putter(queue)))
            self._thread.submit(self._write)
            while (item := await queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            cancel.set()
            self._waiting.discard(cancel)
            self._last = time.monotonic()

    def _write(self) -> None:
        """Do all the work there is, in the one thread that touches the model."""
        puts: dict[Job, Put] = {}

        def take() -> Job | None:
            while self._orders:
                order = self._orders.popleft()
                try:
                    if not order.cancel.is_set():
                        job = self._job(order)
                        puts[job] = order.put
                        return job
                    order.put(None)
                except Exception as error:  # noqa: BLE001 - it is raised where it is awaited
                    order.put(error)
            return None

        end: Exception | None = None
        try:
            if self.completer is not None:
                for job, chunk in self.completer.together(take):
                    puts[job](chunk)
                    if chunk.finish:
                        puts.pop(job)(None)
        except Exception as error:  # noqa: BLE001 - likewise
            end = error
        for put in puts.values():
            put(end)

    def _job(self, order: Order) -> Job:
        """Return an order as the model takes it, its adapter loaded."""
        from codetune_ui.engine.answer import Job

        ask, run = order.ask, order.run
        if run is None:
            return Job(ask, None, order.cancel, typed=True)
        format = self._load(run)
        ask = as_trained(ask, run.config(), format)
        return Job(ask, run.name, order.cancel, format, typed=True)

    def _load(self, run: Run) -> FimFormat | None:
        """Load a run's adapter where that is needed; return the format it was trained with."""
        assert self.completer is not None
        self.completer.adapters.load(run.name, run.adapter_dir)
        return self._format(run)

    def _format(self, run: Run) -> FimFormat | None:
        assert self.completer is not None
        config, stamp = run.config(), run.adapter_dir.stat().st_mtime_ns
        if self._formats.get(run.name, (0, None))[0] != stamp:
            found = find_format(self.completer.tokenizer, self.completer.folder, config)
            self._formats[run.name] = stamp, found
        return self._formats[run.name][1]

    def _warm_up(self, run: Run) -> None:
        """Load an adapter and write a little with it: the first pass of a kind is the slowest."""
        assert self.completer is not None
        format = self._load(run)
        for _ in self.completer.complete(
            Ask("a", "b", max_tokens=2), run.name, threading.Event(), format
        ):
            pass

    def _fits(self, run: Run) -> bool:
        try:
            config = run.config()
        except CodeTuneError:
            return False
        mine = self.config
        return (config.base_model, config.revision) == (mine.base_model, mine.revision)


def as_trained(ask: Ask, config: Config, format: FimFormat | None) -> Ask:
    """Return the request as the training laid out its rows: same repository, same bound on files.

    A run that was trained without a context sets no bound: there is nothing to agree with.
    """
    if format is not None and format.repo_id is not None:
        ask = replace(ask, repo=ask.repo or repository_name(config.source))
    if config.repo_context == "none":
        return ask
    most = config.neighbour_tokens
    given = most if ask.context_tokens is None else ask.context_tokens
    return replace(ask, context_tokens=min(given, most))


def _has_adapter(run: Run) -> bool:
    return (run.adapter_dir / WEIGHTS).is_file()


def _putter(queue: asyncio.Queue[Chunk | Exception | None]) -> Put:
    """Return a way to put into the queue from another thread."""
    loop = asyncio.get_running_loop()

    def put(item: Chunk | Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
            loop.call_soon_threadsafe(queue.put_nowait, item)

    return put
