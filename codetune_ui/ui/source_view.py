"""What the page knows about a source of code before and while it is scanned."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from codetune_ui.core.config import DEMO, SETTINGS, Config
from codetune_ui.core.errors import CodeTuneError, ConfigError, RunError
from codetune_ui.core.inputs import check_source
from codetune_ui.core.source import FILES
from codetune_ui.core.sources import (
    HEAVIEST,
    SourceSpec,
    format_sources,
    is_git_url,
    is_hub_source,
    parse_sources,
)
from codetune_ui.runs.paths import with_whole_paths
from codetune_ui.runs.process import start_worker
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.model_view import Check, checklist

DEMO_NOTE = "A small library of an invented company. It comes with the app."
DEMO_KIND, FOLDER, GIT, FILE, HUB = "demo", "folder", "git", "file", "hub"
DATA_SETTINGS = [s.name for s in SETTINGS.values() if s.group == "data"]


def source_kind(source: str) -> str:
    """Return which kind of source a text names, of several the first; "" for none yet.

    >>> [source_kind(text) for text in ("demo", "hub:a/b", "/x/code.zip", "/x/src", "git@h:a/b")]
    ['demo', 'hub', 'file', 'folder', 'git']
    """
    with suppress(ConfigError):  # a weight that is being typed
        source = parse_sources(source)[0].place
    if source == DEMO:
        return DEMO_KIND
    if is_hub_source(source):
        return HUB
    if is_git_url(source):
        return GIT
    if source.lower().endswith(FILES):
        return FILE
    return FOLDER if source else ""


def with_another(source: str, place: str, weight: float) -> str:
    """Return the source setting with one more place in it; `ConfigError` for a weight that is none.

    >>> with_another("/home/me/app", "/home/me/old", 0.5)
    '/home/me/app; /home/me/old *0.5'
    """
    if not place.strip():
        raise ConfigError("No other source is named.", "Give a folder, a file or a URL.")
    if not 0 < weight <= HEAVIEST:
        raise ConfigError("That weight is none.", f"Give a number up to {HEAVIEST:g}.")
    known = [spec for spec in parse_sources(source) if spec.place]
    return format_sources([*known, SourceSpec(place.strip(), weight)])


def describe_source(home: Home, values: dict[str, Any], scan_id: str) -> str:
    """Return one line about the source: what is wrong with it, or that it was scanned before."""
    if values["source"] in ("", "hub:", "https://"):
        return ""
    lines = [Check("", DEMO_NOTE)] if values["source"] == DEMO else []
    try:
        config = Config.from_dict(values)
        check_source(config)
        scanned = home.scan(scan_id).config() if scan_id else None
    except CodeTuneError as error:
        return checklist((Check("bad", str(error)),))
    now = with_whole_paths(config)
    if scanned and any(getattr(now, name) != getattr(scanned, name) for name in DATA_SETTINGS):
        lines.append(Check("", "Changed since the scan below: scan again."))
    return checklist(tuple(lines)) if lines else ""


def start_scan(home: Home, config: Config) -> Run:
    """Start a scan as a process of its own; `RunError` while another one runs."""
    latest = home.latest_scan()
    if latest is not None and latest.state() in ACTIVE:
        raise RunError("A scan is running.", "Wait for its end, or cancel it.")
    check_source(config)
    scan = home.create_scan(config)
    start_worker(scan, "scan")
    return scan
