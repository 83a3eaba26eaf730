"""A person's choice about one file or folder, written into the settings that decide it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

KEEP, NEVER, UNDO = "keep", "never", "undo"
Patterns = tuple[str, str]  # the settings force_in and exclude


def pattern(path: str, *, folder: bool = False) -> str:
    """Return the pattern that means this path alone, or all that lies in this folder.

    >>> pattern("src/a[1].py"), pattern("src/gen", folder=True)
    ('/src/a\\\\[1\\\\].py', '/src/gen/')
    """
    plain = "".join(_spelled(char) for char in path.strip("/"))
    if plain.endswith(" "):
        plain = plain[:-1] + "?"  # a blank at the end is cut off where patterns are read
    return f"/{plain}/" if folder else f"/{plain}"


def _spelled(char: str) -> str:
    if char == "," or ord(char) < 32:
        return "?"  # the comma stands between patterns, and no setting holds a line break
    return f"\\{char}" if char in "\\*?[]" else char


def decide(deed: str, wanted: str, now: Patterns) -> Patterns:
    """Return force_in and exclude after a choice; the same pattern never stands in both.

    >>> decide("keep", "/a.js", ("", "/a.js, *.ts"))
    ('/a.js', '*.ts')
    """
    force_in, exclude = (_without(text, wanted) for text in now)
    if deed == KEEP:
        return _joined(force_in, wanted), exclude
    return force_in, _joined(exclude, wanted)


def _without(text: str, wanted: str) -> str:
    parts = (part.strip() for part in text.split(","))
    return ", ".join(part for part in parts if part and part != wanted)


def _joined(text: str, wanted: str) -> str:
    return f"{text}, {wanted}" if text else wanted


def settle(asked: str, now: Patterns) -> tuple[Patterns, Patterns]:
    """Answer the page: (the settings after what it asked, those an undo brings back).

    asked is JSON: {"deed": "keep" or "never", "path", "folder"}, or {"deed": "undo", "was": […]}.
    What cannot be read changes nothing.
    """
    given = _read(asked)
    was = given.get("was")
    if given.get("deed") == UNDO and isinstance(was, list) and len(was) == 2:
        return (str(was[0]), str(was[1])), now
    path = str(given.get("path") or "")
    if given.get("deed") not in (KEEP, NEVER) or not path.strip("/"):
        return now, now
    wanted = pattern(path, folder=bool(given.get("folder")))
    return decide(str(given["deed"]), wanted, now), now


def _read(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
