"""Where to cut: the hole of one window, as a range of characters."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal, get_args

from codetune_ui.core.errors import ConfigError
from codetune_ui.core.syntax import MOST_CHARACTERS, TRIES, Place, syntax_span

Kind = Literal["rest_of_line", "lines", "characters", "syntax"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MOST_LINES = 8
DEFAULT_MIX: Mapping[Kind, float] = {"rest_of_line": 50, "lines": 35, "characters": 15, "syntax": 0}


def parse_mix(text: str) -> dict[Kind, float]:
    """Read a mix of holes, as a person types it; `ConfigError` when it is none.

    >>> parse_mix("characters 1, lines 3")
    {'rest_of_line': 0, 'lines': 3.0, 'characters': 1.0, 'syntax': 0}
    """
    mix: dict[Kind, float] = dict.fromkeys(KINDS, 0)
    for part in filter(None, (part.strip() for part in text.split(","))):
        words = part.split()
        kind = next((kind for kind in KINDS if kind == words[0]), None)
        weight = _weight(words[1]) if len(words) == 2 else None
        if kind is None or weight is None:
            raise _no_mix(f"The mix of holes does not understand '{part}'.")
        mix[kind] = weight
    if not sum(mix.values()):
        raise _no_mix("The mix of holes is empty.")
    return mix


def _weight(text: str) -> float | None:
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if 0 <= weight <= 1e6 else None  # NaN fails here too


def _no_mix(message: str) -> ConfigError:
    way = f"Write {', '.join(f'{kind} {weight:g}' for kind, weight in DEFAULT_MIX.items())}."
    return ConfigError(message, way, field="span_mix")


def choose_span(
    text: str,
    kind: str,
    rng: random.Random,
    *,
    mix: Mapping[Kind, float] = DEFAULT_MIX,
    place: Place | None = None,
) -> tuple[int, int]:
    """Return start and end of the middle, in characters; `text[start:end]` may be empty.

    `mix` weighs the kinds of "mixed"; `place` is where the text lies in its file, for its syntax.
    Whole lines and rests of lines never hold the line break that ends them, so that the suffix
    starts with it, as it does behind a cursor. Where a text has no span of the kind, lines or
    characters are cut.
    """
    if kind == "mixed":
        kind = rng.choices(KINDS, [mix[kind] for kind in KINDS])[0]
    if kind == "rest_of_line":
        return _rest_of_line(text, rng) or _characters(text, rng)
    found = syntax_span(place, len(text), rng) if kind == "syntax" and place else None
    if found is None and kind in ("syntax", "lines"):
        found = _lines(text, rng)
    return found or _characters(text, rng)


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
