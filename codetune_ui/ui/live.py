"""The live data of the page: a few JSON routes that read the disk, each answer costing what is new.

No Gradio event carries live data: a reload would end it, and a plot component is rebuilt by it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, RunError
from codetune_ui.core.presets import preset
from codetune_ui.runs.events import Event, read_events
from codetune_ui.runs.lease import holder
from codetune_ui.runs.placement import whereabouts
from codetune_ui.runs.process import request_stop, stop_in_background
from codetune_ui.runs.queue import drop, move, start_or_wait, waiting, who_is_at_work
from codetune_ui.runs.state import ACTIVE, ENDED
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import cards, words
from codetune_ui.ui.machine import WATCH
from codetune_ui.ui.told import told
from codetune_ui.ui.view import (
    MOST_LOG_LINES,
    MOST_POINTS,
    THINNED_POINTS,
    RunView,
    Series,
    thinned,
    view_run,
)

SHOWN = ("name", "state", "label", "step", "total", "can", "place")  # of a view, in the table
SIZE_FRESH_S = 20.0  # walking through a run's checkpoints is not done at every tick


class Memory:
    """Curves read so far, so that a tick reads only what was appended. Losing it loses nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[int, int, Series, Event | None]] = {}
        self._sizes: dict[Path, tuple[float, int]] = {}

    def read(self, run: Run) -> tuple[Series, Event | None]:
        """Return a run's curves and its last plan, up to date with the pace that was chosen."""
        with self._lock:
            identity = _identity(run.events_path)
            was, offset, series, plan = self._known.get(run.path, (0, 0, Series(), None))
            if was != identity or offset > _size(run.events_path):
                offset, series, plan = 0, Series(), None
            events, offset = read_events(run.events_path, offset)
            series.add(events)
            plan = _with_plans(plan, events)
            self._known[run.path] = (identity, offset, series, plan)
            return series.copy(), plan  # other requests go on reading into the original

    def size(self, run: Run) -> int:
        """Return what a run takes on disk, a few seconds old."""
        seen, size = self._sizes.get(run.path, (float("-inf"), 0))
        if time.monotonic() - seen > SIZE_FRESH_S:
            size = run.size_bytes()
            self._sizes[run.path] = (time.monotonic(), size)
        return size


def _with_plans(plan: Event | None, events: list[Event]) -> Event | None:
    for event in events:
        if event["kind"] == "plan":
            plan = event
        elif event["kind"] == "pace":
            plan = {**(plan or {}), **event}
    return plan


class Queue(NamedTuple):
    """The runs that wait, in their order, and who is at work meanwhile."""

    names: list[str]
    at_work: str


class Live:
    """Answers the page's questions about runs, from the disk."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._memory = Memory()

    def tick(self, name: str, since: int) -> dict[str, Any]:
        """Return what is new in a run after byte `since`, and how everything stands.

        name: the run to show; "" is the one that runs, or else the newest. m: rows of the train
        curve (`view.TRAIN_FIELDS`), e: [step, held-out loss], s: rows of the scorecard (step and
        `view.SCORE_FIELDS`), c and r: steps of checkpoints and of resumes, log: [unix time, kind,
        text]. reset: forget what you have, this is all of it.
        """
        runs, queue = self.home.runs(), self._queue()
        card = next((run for run in runs if run.state() in ACTIVE), None)
        card = card or next((run for run in runs if [run.name] == queue.names[:1]), None)
        card = card or (runs[0] if runs else None)
        run = next((run for run in runs if run.name == name), None) if name else card
        answer: dict[str, Any] = {"run": run.name if run else "", "seq": 0, "reset": since == 0}
        answer |= {
            "m": [],
            "e": [],
            "s": [],
            "c": [],
            "r": [],
            "log": [],
            "view": None,
            "card": None,
        }
        if run is not None:
            answer |= self._news(run, since)
            answer["view"] = self.view(run, queue).to_dict()
        if card is not None:
            answer["card"] = self._card(card, queue)
        names = {"names": [one.name for one in runs], "queued": len(queue.names)}
        return answer | self._machine() | names

    def _queue(self) -> Queue:
        names = [turn.run.name for turn in waiting(self.home)]
        return Queue(names, who_is_at_work(self.home) if names else "")

    def _news(self, run: Run, since: int) -> dict[str, Any]:
        reset = since <= 0 or since > _size(run.events_path)
        events, offset = read_events(run.events_path, 0 if reset else since)
        new = Series()
        new.add(events)
        lines = [(e["ts"], *line) for e in events if (line := words.log_line(e))]
        rows = new.train
        return {
            "seq": offset,
            "reset": reset,
            "m": thinned(rows, THINNED_POINTS) if len(rows) > MOST_POINTS else rows,
            "e": new.evals,
            "s": new.scores,
            "c": new.checkpoints,
            "r": new.resumes,
            "log": lines[-MOST_LOG_LINES:],
        }

    def view(self, run: Run, queue: Queue | None = None) -> RunView:
        """Return what is to be said about a run now."""
        series, plan = self._memory.read(run)
        state, queue = run.state(), queue or self._queue()
        return view_run(
            run.name,
            _config(run),
            state,
            run.status(),
            series,
            checkpoint_step=newest_checkpoint(run),
            stopping_s=_age(run.stop_path),
            discarding=_text(run.stop_path) == "discard",
            tail=run.log_tail() if state in ("failed", "lost") else "",
            plan=plan,
            result=run.result() if state in ENDED else None,
            queued=queue.names,
            at_work=queue.at_work,
            where=whereabouts(run.path),
        )

    def _card(self, run: Run, queue: Queue) -> dict[str, Any]:
        view = self.view(run, queue)
        series, _ = self._memory.read(run)
        shown = ("name", "state", "label", "step", "total", "percent", "left", "title")
        return {key: getattr(view, key) for key in shown} | {"spark": series.spark()}

    def _machine(self) -> dict[str, Any]:
        found, held = WATCH.cards(), holder(self.home)
        gpu = cards.in_use(self.home, found) or WATCH.look()
        shown = {"name": gpu.name, "used": gpu.used_gib, "total": gpu.total_gib} if gpu else None
        return {
            "gpu": shown,
            "cards": cards.live(self.home, found),
            "holder": {"name": held.name, "since": held.since} if held else None,
        }

    def table(self) -> list[dict[str, Any]]:
        """Return one record per run for the Runs tab, the newest first."""
        queue = self._queue()
        return [self._record(run, queue) for run in self.home.runs()]

    def _record(self, run: Run, queue: Queue) -> dict[str, Any]:
        view, config, status = self.view(run, queue), _config(run), run.status()
        series, _ = self._memory.read(run)
        best = series.best_eval()
        seconds = (run.result() or {}).get("seconds") or (status.updated - status.started)
        return {
            **{key: getattr(view, key) for key in SHOWN},
            "base_model": words.model_label(config.base_model) if config else "?",
            "data": words.source_label(config.source) if config else "?",
            "best": best[1] if best else None,
            "started": status.started or run.config_path.stat().st_mtime,
            "duration": words.duration(seconds) if status.started else "",
            "size": words.size(self._memory.size(run)),
            "spark": series.spark(),
            "command": words.command_line(config) if config else "",
        }

    def curves(self, names: list[str]) -> list[dict[str, Any]]:
        """Return the thinned curves of some runs, to be drawn over each other."""
        found = []
        for name in names:
            with contextlib.suppress(CodeTuneError):  # deleted meanwhile
                series, _ = self._memory.read(self.home.run(name))
                rows = thinned(series.train, THINNED_POINTS // 4)
                held_out = {"e": series.evals, "s": series.scores}
                found.append({"name": name, "m": [row[:2] for row in rows], **held_out})
        return found


class NewName(BaseModel):
    """What the page sends to rename a run."""

    name: str


def routes(live: Live) -> APIRouter:
    """Return the routes below /ct-api; what changes something is a POST."""
    api = APIRouter(prefix="/ct-api")

    @api.get("/run")
    def run(run: str = "", since: int = 0) -> dict[str, Any]:
        return live.tick(run, since)

    @api.get("/runs")
    def table() -> list[dict[str, Any]]:
        return live.table()

    @api.get("/curves")
    def curves(runs: str = "") -> list[dict[str, Any]]:
        return live.curves([name for name in runs.split(",") if name])

    @api.post("/runs/{name}/rename")
    def rename(name: str, wanted: NewName) -> dict[str, Any]:
        home = live.home
        return told(lambda: {"run": home.rename(home.run(name), wanted.name.strip()).name})

    @api.post("/runs/{name}/{deed}")
    def do(name: str, deed: str) -> dict[str, Any]:
        if deed not in DEEDS:
            raise HTTPException(404)
        return told(lambda: _made(DEEDS[deed](live.home.run(name))))

    @api.post("/demo")
    def demo() -> dict[str, Any]:
        return told(lambda: {"run": start_demo(live.home)})

    return api


def start_demo(home: Home) -> str:
    """Start a run with the Demo preset, and return its name."""
    run = home.create_run(preset("demo"))
    start_or_wait(run, "train")
    return run.name


def _end(run: Run) -> None:
    # No patience: the person waited already. It still gets SIGTERM first, then a few seconds.
    stop_in_background(run, patience_s=0.0, discard=_text(run.stop_path) == "discard")


def _start(run: Run) -> None:
    if run.state() != "created":  # an ended run's result would be lost
        raise RunError(f"'{run.name}' has begun.", "Resume it, or start a new run.")
    start_or_wait(run, "train")


DEEDS: dict[str, Callable[[Run], Any]] = {
    "stop": request_stop,
    "discard": lambda run: request_stop(run, discard=True),
    "end": _end,
    "start": _start,
    "resume": lambda run: start_or_wait(run, "resume"),
    "delete": lambda run: run.home.delete(run),
    "drop": drop,
    "earlier": lambda run: move(run, -1),
    "later": lambda run: move(run, 1),
}


def _made(deed: Any) -> dict[str, Any]:
    return {"run": deed if isinstance(deed, str) else ""}


def newest_checkpoint(run: Run) -> int:
    """Return the step of the newest checkpoint on disk, 0 for none.

    Only a look: the worker that resumes verifies it, and falls back to an older one.
    """
    steps = [path.parent.name for path in run.checkpoints_dir.glob("step_*/MANIFEST.json")]
    return max((int(name[5:]) for name in steps if name[5:].isdigit()), default=0)


def _config(run: Run) -> Config | None:
    with contextlib.suppress(CodeTuneError):
        return run.config()
    return None


def _identity(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_ino
    return 0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _age(path: Path) -> float | None:
    with contextlib.suppress(OSError):
        return max(0.0, time.time() - path.stat().st_mtime)  # a clock may be set back
    return None


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return ""
