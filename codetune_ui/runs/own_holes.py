"""Tests of a person's own, in HOME/own_holes.jsonl: a line each, written by the page alone."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

from codetune_ui.core.errors import SourceError
from codetune_ui.core.own_holes import OwnHole
from codetune_ui.runs.files import replace_text
from codetune_ui.runs.store import Home

MOST = 500
_WRITING = threading.Lock()  # two browser tabs may keep a hole at the same moment


def own_holes(home: Home) -> list[OwnHole]:
    """Return the kept tests, the oldest first; a line that cannot be read is passed over."""
    try:
        lines = _path(home).read_text(encoding="utf-8").split("\n")
    except OSError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            found.append(OwnHole.from_dict(json.loads(line)))
    return found


def keep(home: Home, own: OwnHole) -> bool:
    """Keep a test; False when the very same is there already."""
    with _WRITING:
        known = own_holes(home)
        if any(one.id == own.id for one in known):
            return False
        if len(known) >= MOST:
            raise SourceError(f"{MOST} holes of your own are kept.", "Remove some first.")
        _write(home, [*known, own])
        return True


def remove(home: Home, own_id: str) -> None:
    """Forget a test; one that is not there is forgotten already."""
    with _WRITING:
        _write(home, [one for one in own_holes(home) if one.id != own_id])


def _write(home: Home, holes: list[OwnHole]) -> None:
    home.path.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(own.to_dict(), ensure_ascii=False) + "\n" for own in holes)
    replace_text(_path(home), "".join(lines))
    with contextlib.suppress(OSError):
        _path(home).chmod(0o600)  # it holds a person's code


def _path(home: Home) -> Path:
    return home.path / "own_holes.jsonl"
