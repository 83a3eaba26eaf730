"""Holes of a person's own: code with a place that is to be filled, and what should stand there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from codetune_ui.core.errors import SourceError
from codetune_ui.core.holes import OWN, Hole
from codetune_ui.core.languages import language_of

OPEN, CLOSE = "<FILL>", "</FILL>"
LONGEST_TRUTH = 2_000  # characters; the models write 64 tokens at most
LONGEST_TEXT = 200_000  # characters of the code around it
UNNAMED = "pasted.py"


@dataclass(frozen=True)
class OwnHole:
    """One test of a person's own; `id` follows from what it holds, `created` is in unix seconds."""

    id: str
    path: str
    language: str
    prefix: str
    middle: str
    suffix: str
    created: float = 0.0

    @property
    def hole(self) -> Hole:
        """The same as an evaluation fills it."""
        return Hole(self.path, self.language, OWN, self.prefix, self.middle, self.suffix)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OwnHole:
        """Read what `to_dict` wrote; `TypeError` when it is something else."""
        return cls(**values)


def own_hole(
    prefix: str, middle: str, suffix: str, *, path: str = "", language: str = "", created: float = 0
) -> OwnHole:
    """Make a test; `SourceError` when there is nothing to fill in, or too much.

    Without a language it is told from the path, and without a path it is Python.
    """
    prefix, middle, suffix = (_line_ends(text) for text in (prefix, middle, suffix))
    if not middle.strip():
        raise SourceError(
            "It is not said what should stand in the hole.",
            f"Write it, or mark it by {OPEN} before and {CLOSE} after.",
        )
    if len(middle) > LONGEST_TRUTH:
        raise SourceError(
            f"What should stand in the hole is {len(middle):,} characters long.",
            f"Choose a piece of at most {LONGEST_TRUTH:,}.",
        )
    if len(prefix) + len(suffix) > LONGEST_TEXT:
        raise SourceError(
            f"The code around the hole is longer than {LONGEST_TEXT:,} characters.",
            "Leave out what is far from it.",
        )
    path = path.strip().replace("\\", "/") or UNNAMED
    language = language or language_of(path) or "Python"
    named = "\0".join((path, prefix, middle, suffix)).encode("utf-8", "replace")
    digest = hashlib.sha256(named).hexdigest()[:12]
    return OwnHole(digest, path, language, prefix, middle, suffix, created)


def part(text: str) -> tuple[str, str, str]:
    """Part code at its marks into prefix, middle and suffix; `SourceError` when they are not so.

    >>> part("total = <FILL>sum(items)</FILL> + 1")
    ('total = ', 'sum(items)', ' + 1')
    """
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1 or text.index(OPEN) > text.index(CLOSE):
        raise SourceError(
            "The code does not have one marked hole.",
            f"Write {OPEN} before and {CLOSE} after the piece that should be filled in.",
        )
    prefix, rest = text.split(OPEN)
    middle, suffix = rest.split(CLOSE)
    return prefix, middle, suffix


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
