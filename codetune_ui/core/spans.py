"""Where to cut: the hole of one window, as a range of characters."""

from __future__ import annotations

import random
from typing import Literal

SpanKind = Literal["characters", "rest_of_line", "lines", "mixed"]

MOST_LINES = 8
MOST_CHARACTERS = 700  # of whole lines; longer middles are hardly ever asked for while typing
TRIES = 8


def choose_span(text: str, kind: str, rng: random.Random) -> tuple[int, int]:
    """Return start and end of the middle, in characters; `text[start:end]` may be empty.

    Whole lines and rests of lines never hold the line break that ends them, so that the suffix
    starts with it, as it does behind a cursor. Where a text has no such span (blank lines only),
    characters are cut.
    """
    if kind == "mixed":
        kind = rng.choices(("rest_of_line", "lines", "characters"), (50, 35, 15))[0]
    if kind == "rest_of_line":
        return _rest_of_line(text, rng) or _characters(text, rng)
    if kind == "lines":
        return _lines(text, rng) or _characters(text, rng)
    return _characters(text, rng)


def _characters(text: str, rng: random.Random) -> tuple[int, int]:
    """Two uniform points, in order, as the guide and StarCoder's pretraining cut."""
    first, second = rng.randint(0, len(text)), rng.randint(0, len(text))
    return min(first, second), max(first, second)


def _rest_of_line(text: str, rng: random.Random) -> tuple[int, int] | None:
    """From a cursor to the end of its line.

    A cursor is found where one types: at any character alike. One in the indentation stands at
    its end, where an editor puts it.
    """
    for _ in range(TRIES):
        cursor = rng.randrange(len(text)) if text else 0
        start, end = _line_around(text, cursor)
        body = start + len(text[start:end]) - len(text[start:end].lstrip())
        cursor = max(cursor, body)
        if text[cursor:end].strip():
            return cursor, end
    return None


def _lines(text: str, rng: random.Random) -> tuple[int, int] | None:
    """One to eight whole lines, the first one's indentation included."""
    for _ in range(TRIES):
        start, end = _line_around(text, rng.randrange(len(text)) if text else 0)
        wanted = rng.randint(1, MOST_LINES)
        if not text[start:end].strip():
            continue
        return start, _end_of_lines(text, start, end, wanted)
    return None


def _end_of_lines(text: str, start: int, end: int, wanted: int) -> int:
    """Extend a first line by up to `wanted - 1` more; end on a line that is not blank."""
    last = end
    for _ in range(wanted - 1):
        if end >= len(text):
            break
        begin, end = _line_around(text, end + 1)
        if end - start > MOST_CHARACTERS:
            break
        if text[begin:end].strip():
            last = end
    return last


def _line_around(text: str, place: int) -> tuple[int, int]:
    r"""Return the line that holds a character, without its line break (`\n` or `\r\n`)."""
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    end = len(text) if end < 0 else end
    if end > start and text[end - 1] == "\r":
        end -= 1
    return start, end
