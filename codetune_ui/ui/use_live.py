"""What the Use tab knows of exports: runs, the job at work, earlier ones; no state of its own."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.export import FORMATS, Format, Request, check_plain_lora
from codetune_ui.runs import exports
from codetune_ui.runs.events import Event, read_events
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import use_view, words
from codetune_ui.ui.play_fill import trained_runs
from codetune_ui.ui.told import gpu_taken


class Exports:
    """Answers the tab's questions about exports, from the disk."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def runs(self) -> list[dict[str, str]]:
        """Return the runs that have an adapter, the newest first."""
        return [{"name": run.name, "label": _label(run)} for run in trained_runs(self.home)]

    def state(self, run: str, format: Format, quant: str) -> dict[str, Any]:
        """Return what can be exported, what is at work, and a run's earlier exports."""
        jobs = self.home.exports()
        found: dict[str, Any] = {
            "busy": self.busy(),
            "job": _job(jobs[0]) if jobs else None,
            "place": "",
            "standing": "",
            "refused": {},
            "earlier": "",
            "count": 0,
        }
        if not any(one.name == run for one in trained_runs(self.home)):
            return found
        chosen = self.home.run(run)
        known = exports.exports(chosen)
        return found | {
            "place": str(exports.default_place(chosen, _request(run, format, quant))),
            "standing": _standing(chosen),
            "refused": _refused(chosen),
            "earlier": use_view.earlier(known),
            "count": len(known),
        }

    def busy(self) -> str:
        """Return who has the accelerator, in one sentence; "" when an export may begin."""
        if (job := exports.under_way(self.home)) is not None:
            return f"{_run_of(job)} is being exported. One at a time."
        return gpu_taken(self.home)

    def start(self, request: Request) -> dict[str, str]:
        """Start an export, or return what is to be asked first: `ask`, and `about` what."""
        run = self.home.run(request.run)
        exports.adapter_settings(run)
        if asked := self._question(run, request):
            return asked
        return {"made": exports.start(self.home, request).name}

    def _question(self, run: Run, request: Request) -> dict[str, str]:
        if not request.accepted and (asked := exports.gate(run)):
            return {"about": "accepted", "ask": asked}
        if request.repository or request.overwrite:
            return {}
        place = exports.whole_place(run, request)
        if exports.is_export(place):
            return {"about": "replace", "ask": f"{place} holds an export already."}
        return {}


def _label(run: Run) -> str:
    try:
        return f"{run.name} · {words.model_label(run.config().base_model)}"
    except CodeTuneError:
        return run.name


def _request(run: str, format: Format, quant: str) -> Request:
    try:
        return Request(run=run, format=format, to="", quant=quant)
    except CodeTuneError:  # the precision of the format before
        return Request(run=run, format=format, to="")


# --- what is known of a run


def _standing(run: Run) -> str:
    """Return what its newest evaluation says, as HTML; "" where there is none."""
    files = [*(run.path / "evaluation").glob("*.json"), run.adapter_dir / exports.WEIGHTS]
    stamps = tuple(sorted((path.name, path.stat().st_mtime_ns) for path in files))
    return _told(run, stamps)


@lru_cache(maxsize=32)  # an evaluation can be megabytes, and the tab asks every few seconds
def _told(run: Run, _: tuple[tuple[str, int], ...]) -> str:
    return use_view.standing(exports.latest_evaluation(run), exports.gate(run))


def _refused(run: Run) -> dict[str, str]:
    """Return the formats that this adapter cannot be written as, each with the reason."""
    try:
        check_plain_lora(exports.adapter_settings(run))
    except CodeTuneError as error:
        return {name: error.message for name in FORMATS if name != "adapter"}
    return {}


# --- the job at work


def _job(job: Run) -> dict[str, Any]:
    """Return how far an export is, or how it ended."""
    state, status = job.state(), job.status()
    events = [e for e in read_events(job.events_path)[0] if e["kind"] in ("export", "phase")]
    hint = status.hint if state == "failed" else ""
    if state == "lost":
        hint = f"See {job.log_path}, then export again."
    return {
        "id": job.name,
        "run": _run_of(job),
        "state": state,
        "active": state in ACTIVE or state == "created",
        "percent": _percent(events),
        "line": _line(state, status.message, events),
        "hint": words.page_words(hint),
    }


def _percent(events: list[Event]) -> float | None:
    """Return how far the present part is; None where nothing is counted."""
    if not events or events[-1]["kind"] != "export" or not events[-1]["total"]:
        return None
    return round(100 * float(events[-1]["done"]) / float(events[-1]["total"]), 1)


def _line(state: str, message: str, events: list[Event]) -> str:
    match state:
        case "failed":
            return message or "It failed without a word."
        case "stopped":
            return "The export was cancelled. Nothing was left behind."
        case "lost":
            return "The export ended without notice."
        case "stopping":
            return "Cancelling."
        case "finished":
            return "Done."
    phases = [str(e["phase"]) for e in events if e["kind"] == "phase" and e.get("phase")]
    told = phases[-1] if phases else "Getting ready"
    if events and events[-1]["kind"] == "export":
        last = events[-1]
        return f"{told} · {last['done']:,} of {last['total']:,} {last['deed']}"
    return f"{told} …"


def _run_of(job: Run) -> str:
    try:
        return exports.read_request(job).run
    except CodeTuneError:
        return "?"
