"""What the Evaluate tab knows: runs, the job at work, evaluations; no state of its own.

A reload, a second tab and a restart of the app see the same, because all of it is read again.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from codetune_ui.core.comparison import comparison, why_not
from codetune_ui.core.errors import CodeTuneError, RunError
from codetune_ui.runs import evaluations
from codetune_ui.runs.events import Event, read_events
from codetune_ui.runs.files import read_json
from codetune_ui.runs.own_holes import own_holes
from codetune_ui.runs.state import ACTIVE, State
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import evaluate_lists, evaluate_table, evaluate_view, words
from codetune_ui.ui.told import gpu_taken

PAGE = 50  # rows of the table at a time
MOST_COMPARED = 5


class Evaluations:
    """Answers the tab's questions, from the disk."""

    def __init__(self, home: Home) -> None:
        self.home = home

    # --- how everything stands

    def state(self, run: str, shown: str, ticked: Sequence[str]) -> dict[str, Any]:
        """Return what can be chosen, what is at work, and the lists; `run` is the chosen one."""
        briefs = self.briefs()
        jobs = self.home.evaluations()
        return {
            "runs": [_choice(one) for one in self.home.runs()],
            "busy": self.busy(),
            "job": _job(jobs[0]) if jobs else None,
            "own": len(own_holes(self.home)),
            "newest": {one["run"]: one["reference"] for one in reversed(briefs)},
            "earlier": evaluate_lists.earlier([b for b in briefs if b["run"] == run], shown),
            "choices": evaluate_lists.choices(briefs, ticked),
        }

    def busy(self) -> str:
        """Return who has the accelerator, in one sentence; "" when an evaluation may begin."""
        if (job := evaluations.under_way(self.home)) is not None:
            return f"{_run_of(job)} is being evaluated. One at a time."
        return gpu_taken(self.home)

    def briefs(self) -> list[dict[str, Any]]:
        """Return a few figures of every evaluation, the newest first."""
        found = []
        for run in self.home.runs():
            for path in evaluations.results(run):
                with contextlib.suppress(OSError):
                    if (one := _brief(path, path.stat().st_mtime_ns)) is not None:
                        found.append(one)
        return sorted(found, key=lambda one: (one["created"], one["reference"]), reverse=True)

    # --- one evaluation

    def find(self, reference: str) -> dict[str, Any]:
        """Return an evaluation named RUN/ID."""
        return _read(*self._stamped(reference))

    def result(self, reference: str) -> dict[str, Any]:
        """Return the verdict of an evaluation, as HTML, and the kinds that its table has."""
        found = self.find(reference)
        return {
            "reference": reference,
            "html": evaluate_view.result(found, reference),
            "kinds": evaluate_table.kinds(found["items"]),
        }

    def holes(
        self, reference: str, by: str = "", kind: str = "", sort: str = "", most: int = PAGE
    ) -> dict[str, Any]:
        """Return the first rows of the table that two filters let through."""
        items = self.find(reference)["items"]
        places = evaluate_table.ordered(items, evaluate_table.matching(items, by, kind), sort)
        return {
            "filters": evaluate_table.filters(items, by),
            "rows": evaluate_table.rows(items, places[:most]),
            "matching": len(places),
            "more": max(0, len(places) - most),
        }

    def around(self, reference: str, place: int) -> str:
        """Return the code around one hole."""
        items = self.find(reference)["items"]
        if not 0 <= place < len(items):
            raise RunError("There is no such hole.", "Load the page again.")
        return evaluate_table.around(items[place], self._text(reference, items[place]))

    def _text(self, reference: str, item: dict[str, Any]) -> str | None:
        """Return the file of a hole, when it is still there with the hole in its place."""
        found = self.find(reference)
        of = found["settings"].get("holes_of") or reference
        texts = [
            one["prefix"] + one["middle"] + one["suffix"] for one in found.get("own_holes", ())
        ]
        with contextlib.suppress(CodeTuneError):
            run = self.home.run(evaluations.part_reference(of)[0])
            texts += _held_out(run.dataset_dir / "held_out.jsonl", item["path"])
        start, truth = item["start"], item["truth"]
        whole = item["before"] + truth + item["after"]
        at = start - len(item["before"])
        return next((text for text in texts if text[at : at + len(whole)] == whole), None)

    def files(self, reference: str, kind: str) -> Path:
        """Return the file of an evaluation's report: "json" or "html"."""
        path = evaluations.find_result(self.home, reference)
        return path.with_suffix(".html") if kind == "html" else path

    # --- adapter against adapter

    def _stamped(self, reference: str) -> tuple[Path, int, str]:
        path = evaluations.find_result(self.home, reference)
        return path, path.stat().st_mtime_ns, reference

    def compare(self, references: Sequence[str]) -> str:
        """Return the first evaluation against each of the others, as HTML."""
        first = self.find(references[0])
        parts = []
        for reference in references[1:MOST_COMPARED]:
            second = self.find(reference)
            if reason := why_not(first, second):
                parts.append(evaluate_lists.refused(reason, references[0], reference))
                continue
            try:
                parts.append(_compared(self._stamped(references[0]), self._stamped(reference)))
            except RunError as error:
                parts.append(evaluate_lists.trouble(str(error)))
        return "".join(parts)


# --- what can be chosen


def _choice(run: Run) -> dict[str, str]:
    return {"name": run.name, "label": _label(run), "why": _why_not(run)}


def _label(run: Run) -> str:
    try:
        return f"{run.name} · {words.model_label(run.config().base_model)}"
    except CodeTuneError:
        return run.name


def _why_not(run: Run) -> str:
    """Return why a run cannot be evaluated, in a few words; "" when it can."""
    if not (run.adapter_dir / "adapter_model.safetensors").is_file():
        return "still training" if run.state() in ACTIVE else "it has no adapter"
    held_out = run.dataset_dir / "held_out.jsonl"
    if not (held_out.is_file() and held_out.stat().st_size):
        return "it has no held-out code"
    return ""


# --- the job at work


def _job(job: Run) -> dict[str, Any]:
    """Return how far an evaluation is, or how it ended."""
    state, status = job.state(), job.status()
    active = state in ACTIVE or state == "created"
    events = [e for e in read_events(job.events_path)[0] if e["kind"] == "evaluate"]
    share = min(1.0, status.step / status.total_steps) if status.total_steps else 0.0
    run = _run_of(job)
    done = state == "finished"
    return {
        "id": job.name,
        "run": run,
        "state": state,
        "active": active,
        "percent": 100.0 if done else round(100 * share, 1),
        "line": _line(state, status.phase, status.message, events, share),
        "hint": status.hint if state == "failed" else _hint(state, job),
        "reference": f"{run}/{job.name}" if done else "",
    }


def _line(state: State, phase: str, message: str, events: Sequence[Event], share: float) -> str:
    match state:
        case "failed":
            return message or "It failed without a word."
        case "stopped":
            return "The evaluation was cancelled. Nothing was kept."
        case "lost":
            return "The evaluation ended without notice."
        case "stopping":
            return "Cancelling."
        case "finished":
            return "Done."
    if not events:
        return f"{phase or 'Getting ready'} …"
    last = events[-1]
    told = f"{last['done']:,} of {last['total']:,} holes {last['deed']}"
    left = _seconds_left(events[0]["ts"], share)
    return told if left is None else f"{told} · {words.duration(left)} left"


def _seconds_left(began: float, share: float) -> float | None:
    if share < 0.03:  # too early to say
        return None
    return (time.time() - began) * (1 - share) / share


def _hint(state: State, job: Run) -> str:
    return f"See {job.log_path}, then evaluate again." if state == "lost" else ""


def _run_of(job: Run) -> str:
    try:
        return evaluations.read_request(job).run
    except CodeTuneError:
        return "?"


# --- the disk


@lru_cache(maxsize=512)
def _brief(path: Path, _: int) -> dict[str, Any] | None:
    found = read_json(path)
    reference = f"{path.parents[1].name}/{path.stem}"
    try:
        return None if found is None else evaluate_lists.brief(found, reference)
    except (KeyError, TypeError):  # not one of ours
        return None


@lru_cache(maxsize=6)  # a press in the table asks again, and a large one is megabytes
def _read(path: Path, _: int, reference: str) -> dict[str, Any]:
    found = read_json(path)
    if found is None:
        raise RunError(f"The evaluation '{reference}' cannot be read.", "Evaluate the run again.")
    return found | {"run": path.parents[1].name, "id": path.stem}  # the run may have a new name


@lru_cache(maxsize=32)  # its intervals take a second, and a tick box asks for all of them again
def _compared(first: tuple[Path, int, str], second: tuple[Path, int, str]) -> str:
    return evaluate_lists.compared(comparison(_read(*first), _read(*second)))


def _held_out(path: Path, wanted: str) -> list[str]:
    with contextlib.suppress(OSError, ValueError, KeyError), path.open(encoding="utf-8") as file:
        rows = (json.loads(line) for line in file)
        return [row["text"] for row in rows if row["path"] == wanted]
    return []
