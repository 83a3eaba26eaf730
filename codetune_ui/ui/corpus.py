"""The Corpus card: what a scan's folder says now; the page asks again while the scan runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.events import read_events
from codetune_ui.runs.files import read_json
from codetune_ui.runs.process import request_stop
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import data_view

ROWS = 200  # of the table at a time
LATEST = 100  # files shown while a scan reads
TAIL = 20_000  # bytes of the growing list that these are taken from

NONE = '<div class="empty"><p>No code scanned yet.</p></div>'


@dataclass(frozen=True, kw_only=True)
class CorpusView:
    """Everything the card shows.

    state: "none", "scanning", "gone", or how the scan ended. line: the sentence beside the heading;
    body, rows: HTML, or None to leave what is there; more: matching files not in the table.
    """

    scan: str
    state: str
    active: bool = False
    line: str = ""
    hint: str = ""
    body: str | None = ""
    rows: str | None = ""
    matching: int = 0
    more: int = 0


def answer(home: Home, asked: Any) -> dict[str, Any]:
    """Answer the page: asked is {"scan": id, "query": words, "sort": column, "rows": how many}."""
    given = asked if isinstance(asked, dict) else {}
    query, most = str(given.get("query") or ""), given.get("rows")
    most = most if isinstance(most, int) and most > 0 else ROWS
    sort = str(given.get("sort") or "")
    return asdict(look(home, str(given.get("scan") or ""), query, most, sort))


def cancel(home: Home, scan_id: str) -> None:
    """Ask a scan to stop; one that has ended is left alone."""
    request_stop(home.scan(scan_id))


def look(home: Home, scan_id: str, query: str = "", most: int = ROWS, sort: str = "") -> CorpusView:
    """Return what the card shows of a scan; "" is none yet."""
    if not scan_id:
        return CorpusView(scan="", state="none", body=NONE)
    try:
        scan = home.scan(scan_id)
    except CodeTuneError as error:
        return CorpusView(scan=scan_id, state="gone", line=error.message, hint="Scan again.")
    state = scan.state()
    if state in ACTIVE or state == "created":
        return _under_way(scan)
    return _ended(scan, state, query, most, sort)


def _under_way(scan: Run) -> CorpusView:
    status = scan.status()
    counts = [event for event in read_events(scan.events_path)[0] if event["kind"] == "scan"]
    told = "Starting the scan."
    if counts:
        last = counts[-1]
        told = (
            f"{last['found']:,} files found = {last['kept']:,} kept + {last['dropped']:,} dropped"
        )
        if not last["found"] and last.get("read"):  # the first ones are searched for secrets
            told = f"{last['read']:,} files read"
        if size := last.get("characters"):
            told += f" · {size / 1e6:,.1f} MB of code"
    phase = "Cancelling" if scan.stop_path.exists() else status.phase or "Reading"
    return CorpusView(
        scan=scan.name,
        state="scanning",
        active=True,
        line=f"{phase} · {told}" if counts else told,
        body=None,
        rows=_latest(scan.path / "files.jsonl") if counts else None,
    )


def _latest(path: Path) -> str:
    """Return rows of the files read last; the file grows while this looks."""
    try:
        with path.open("rb") as stream:
            start = stream.seek(max(0, path.stat().st_size - TAIL))
            lines = stream.read().decode("utf-8", "replace").split("\n")[:-1]
            lines = lines[1:] if start else lines  # the look began inside a line
        return data_view.rows([json.loads(line) for line in lines[-LATEST:][::-1]])
    except (OSError, ValueError, KeyError):
        return ""


def _ended(scan: Run, state: str, query: str, most: int, sort: str) -> CorpusView:
    report = _report(scan)
    status = scan.status()
    shown = CorpusView(scan=scan.name, state=state, line=_sentence(state, status.message))
    if report is None:
        return _with(shown, hint=status.hint if state == "failed" else "")
    found = data_view.ordered(data_view.matching(report["files"], query), sort)
    table = {
        "rows": data_view.rows(found[:most]),
        "matching": len(found),
        "more": max(0, len(found) - most),
    }
    if state == "finished":
        return _with(shown, line=data_view.counts(report), body=data_view.result(report), **table)
    cures = data_view.reasons(report["dropped"]) + data_view.nothing_kept(report)
    return _with(shown, hint=status.hint, body=cures, **table)


def _with(view: CorpusView, **changes: Any) -> CorpusView:
    return CorpusView(**{**asdict(view), **changes})


def _sentence(state: str, message: str) -> str:
    if state == "failed":
        return message or "The scan failed."
    return "The scan was cancelled." if state == "stopped" else "The scan ended without notice."


def _report(scan: Run) -> dict[str, Any] | None:
    path = scan.path / "report.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=2)  # a search asks again at every key, and a large report is megabytes
def _read(path: Path, _: int) -> dict[str, Any] | None:
    return read_json(path)
