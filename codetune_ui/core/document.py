"""One file of code, kept or dropped with its reason: what every step of the data's way hands on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DropReason(StrEnum):
    """Why a file is left out, in the words of the page."""

    NOT_CODE = "not code"
    BINARY = "binary"
    EMPTY = "empty"
    TOO_LARGE = "too large"
    UNDECODABLE = "not UTF-8"
    UNREADABLE = "cannot be read"
    LONG_LINES = "minified or data: long lines"
    FEW_LETTERS = "data: too few letters"
    GENERATED = "generated"
    VENDORED = "vendored"
    PRIVATE = "keys or credentials by name"
    IGNORED = "ignored by .gitignore"
    NOT_INCLUDED = "outside 'Only these files'"
    EXCLUDED = "matches 'Not these files'"
    LINK = "a link"
    OUTSIDE = "leads outside the source"
    NOT_TEXT = "not text in the column"
    DUPLICATE = "exact duplicate"


@dataclass(frozen=True, slots=True)
class Document:
    """One source file's text.

    `path` is relative with "/" between, and unlike any other of its source; `group` is the coarsest
    thing that should stay on one side of the split: a repository, else a top directory, else the
    file. `note` says what was changed ("line ends were CRLF").
    """

    text: str
    path: str
    language: str
    group: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that is left out; `detail` says more where there is more ("of src/a.py")."""

    path: str
    reason: str
    language: str = ""
    detail: str = ""
