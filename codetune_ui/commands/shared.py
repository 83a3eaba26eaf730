"""What several commands share: the home, the settings typed, results, and how a job ends."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import typer

from codetune_ui.core.config import Config
from codetune_ui.core.presets import parse_assignments, preset
from codetune_ui.core.sources import format_sources, parse_sources
from codetune_ui.runs.paths import named_by
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.terminal import LiveLine

CANCELLED = 130  # as a shell says it of a program that Ctrl-C ended


def say(text: str) -> None:
    """Write a line of progress."""
    typer.echo(text, err=True)


def finish(data: dict[str, Any], lines: list[str], as_json: bool) -> None:
    """Write the result: one line of JSON, or a short text."""
    typer.echo(json.dumps(data, ensure_ascii=False) if as_json else "\n".join(lines))


def home_of(folder: Path | None) -> Home:
    """Return the home that was named, for the workers too, or the usual one."""
    if folder is not None:
        os.environ["CODETUNE_HOME"] = str(folder.expanduser().absolute())
    return Home.current()


def config_from(
    name: str | None,
    model: str | None,
    data: list[str] | None,
    column: str | None,
    data_dir: str | None,
    assigned: list[str] | None,
) -> Config:
    """Return a preset, or the defaults, with what was typed changed."""
    changes = changes_typed(model, data, column, data_dir, assigned)
    return preset(name, **changes) if name else Config.from_dict(changes)


def changes_typed(
    model: str | None,
    data: list[str] | None,
    column: str | None,
    data_dir: str | None,
    assigned: list[str] | None,
) -> dict[str, Any]:
    """Return the settings that were typed."""
    if data and data_dir is None:
        data_dir = ""  # the guide's own folder belongs to the guide's own dataset
    specs = [one for text in data or [] for spec in parse_sources(text) for one in named_by(spec)]
    source = format_sources(specs) if data else None
    named = {"base_model": model, "source": source, "data_column": column, "data_dir": data_dir}
    typed = {key: value for key, value in named.items() if value is not None}
    return typed | parse_assignments(assigned or [])


def live_line() -> LiveLine:
    """Return the line of counts that changes while a job goes on."""
    return LiveLine(partial(typer.echo, err=True, nl=False), is_terminal=sys.stderr.isatty())


def cancelled_or_failed(job: Run, state: str, words: str) -> NoReturn:
    """End the program after a job without a result: cancelled by a person, or failed."""
    if state == "stopped":
        say(words)
        raise typer.Exit(CANCELLED)
    fail(job)


def fail(run: Run) -> NoReturn:
    """End the program with what a failed job says."""
    status = run.status()
    say(f"{status.message} {status.hint}".strip() or f"It ended without a word. See {run.log_path}")
    raise typer.Exit(1)
