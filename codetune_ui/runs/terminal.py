"""What the command line writes: a line of counts that changes, a scan's summary, a run's row."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from codetune_ui.core.redact import NOT_SEARCHED
from codetune_ui.core.sources import masked
from codetune_ui.runs.store import Run

QUIET_S = 5.0  # between two lines of counts where a line cannot change, as in a log file
MOST_LANGUAGES = 8

Report = Mapping[str, Any]


class LiveLine:
    """Counts on one line of a terminal, written over again; elsewhere a line now and then."""

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        is_terminal: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._is_terminal, self._clock = write, is_terminal, clock
        self._width, self._next, self._last = 0, 0.0, ""

    def count(self, text: str) -> None:
        """Show the newest counts."""
        self._last = text
        if self._is_terminal:
            self._write("\r" + text.ljust(self._width))  # over the rest of a longer one
            self._width = len(text)
        elif self._clock() >= self._next:
            self._next = self._clock() + QUIET_S
            self._write(text + "\n")
            self._last = ""

    def say(self, text: str) -> None:
        """Write another line; the counts stay above it."""
        self.end()
        self._write(text + "\n")

    def end(self) -> None:
        """Leave the last counts where they are, on a line of their own."""
        if self._is_terminal and self._width:
            self._write("\n")
        elif self._last and not self._is_terminal:
            self._write(self._last + "\n")
        self._width, self._last = 0, ""


def summary(report: Report) -> list[str]:
    """Return what a finished scan found, in a dozen lines."""
    lines = [f"{report['found']:,} files found, {report['kept']:,} kept"]
    lines += [f"{count:>12,}  dropped: {reason}" for reason, count in report["dropped"].items()]
    lines += _languages(report["by_language"])
    lines.append(f"{report['tokens']:,} tokens. {report['verdict']}".strip())
    lines += _secrets(report)
    lines.append(f"{report['train']:,} files to train on, {report['held_out']:,} held out")
    if leak := report.get("leak"):
        share = 100 * leak["share"]
        lines.append(f"{share:.1f} % of the held-out code also stands in the training code")
    return lines


def _languages(counts: Mapping[str, Report]) -> list[str]:
    lines = [
        f"{line['files']:>12,}  {name}: {line['tokens']:,} tokens, {line['verdict']}"
        for name, line in list(counts.items())[:MOST_LANGUAGES]
    ]
    rest = len(counts) - MOST_LANGUAGES
    return [*lines, f"{'':>14}and {rest} more languages"] if rest > 0 else lines


def _secrets(report: Report) -> list[str]:
    """Return where the first secrets are, masked; the whole list is in the JSON."""
    found = report["secrets"]
    if any(NOT_SEARCHED in note for note in report.get("notes", ())):
        return ["Secrets were not looked for: the scanner does not start. They are kept anyway."]
    if not found:
        return ["No secrets found"]
    several = "secret" if len(found) == 1 else "secrets"
    lines = [f"{len(found):,} {several} found, {report['secrets_redacted']:,} redacted"]
    lines += [f"{'':>14}{f['path']}:{f['line']}  {f['rule']}  {f['masked']}" for f in found[:5]]
    return [*lines, f"{'':>14}and {len(found) - 5:,} more: add --json"] if len(found) > 5 else lines


def row(run: Run) -> dict[str, Any]:
    """Return what the list of runs says about one."""
    config, status = run.config(), run.status()
    return {
        "run": run.name,
        "state": run.state(),
        "steps": status.step,
        "started": status.started or None,
        "base_model": config.base_model,
        "data": masked(config.source),
    }


def plain(value: Any) -> str:
    """Return a figure as a person reads it.

    >>> plain(1234.5678), plain(None), plain(True), plain({"steps": 2.5})
    ('1,235', '–', 'yes', 'steps 2.5')
    """
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(one)}" for name, one in value.items())
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
