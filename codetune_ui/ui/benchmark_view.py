"""What the page says of a benchmark, as HTML; pure, and every text in it is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codetune_ui.core.benchmark_page import protections_table, references_table, scores_table
from codetune_ui.core.benchmark_sets import BenchmarkSet
from codetune_ui.runs.events import Event
from codetune_ui.runs.state import ACTIVE, State
from codetune_ui.ui.code_view import escape

WARNING = (
    "Programs that a model wrote will be run on this machine, and nobody has read them. Each is "
    "run apart and held back as far as this machine can:"
)
NO_PROGRAMS = "On Windows nothing would hold such a program back, so none is run. Use WSL."
NOTHING_YET = '<p class="note">Nothing measured yet.</p>'


def about(of: BenchmarkSet) -> str:
    """Return what stands under the choice of a set."""
    return (
        f'<p class="note">{of.tasks:,} tasks, from {escape(of.source)}. Without a file it is '
        f"fetched once, and kept. An answer: {escape(of.rule)}.</p>"
    )


def warning(rows: Sequence[Mapping[str, str]]) -> str:
    """Return what a person must know before programs are run; `rows` as `runs.sandbox` has them."""
    if not rows:
        return f'<p class="note warn">{NO_PROGRAMS}</p>'
    weak = [row["what"].lower() for row in rows if row["holds"] != "kernel"]
    words = ""
    if weak:
        words = (
            f"<p class='note warn'>Not by the system itself here: {escape(', '.join(weak))}. "
            "A program that means harm would get around that.</p>"
        )
    return f'<p class="note warn">{WARNING}</p>{protections_table(rows)}{words}'


def progress(state: State, phase: str, events: Sequence[Event], message: str, hint: str) -> str:
    """Return a line on a benchmark that goes on, or that ended without a result."""
    if state in ACTIVE or state == "created":
        counted = [event for event in events if event["kind"] == "evaluate"]
        words = phase or "Starting"
        if counted:
            last = counted[-1]
            words += f": {last['done']:,} of {last['total']:,} {last.get('things', 'holes')}"
        return f'<p class="note" role="status">{escape(words)}</p>'
    words = {"stopped": "Cancelled.", "lost": "It ended without notice. Start it again."}.get(
        state, f"{message} {hint}".strip() or "It ended without a word."
    )
    return f'<p class="note warn" role="status">{escape(words)}</p>'


def result(found: Mapping[str, Any], report: str) -> str:
    """Return a benchmark's result: the sentence, the scores, what they do not say, and others'."""
    missing = "".join(f"<li>{escape(line)}</li>" for line in found["not_covered"])
    return (
        f"<p><b>{escape(found['sentence'])}</b></p>{scores_table(found)}"
        f'<ul class="note">{missing}</ul>{references_table(found["references"])}'
        f'<p class="note">Every task, with its settings: <code>{escape(report)}</code></p>'
    )
