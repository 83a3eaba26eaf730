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
    MINIFIED = "minified"
    LONG_LINES = "data: long lines"
    FEW_LETTERS = "data: too few letters"
    BLOBS = "data: encoded blobs"
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
    NEAR_DUPLICATE = "near-duplicate"
    LANGUAGE = "wrong language"
    LICENCE = "licence not allowed"
    SECRETS = "contains secrets"
    NOT_TRACKED = "not tracked by git"


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in a file, as it may be shown: where, of which kind, and masked."""

    line: int
    rule: str
    masked: str


@dataclass(frozen=True, slots=True)
class Document:
    """One source file's text.

    `path` is relative with "/" between, and unlike any other of its source; `group` is the coarsest
    thing that should stay on one side of the split: a repository, else a top directory, else the
    file. `note` says what was changed ("line ends were CRLF"). `weight` is how often an epoch shows
    it, `changed` when git last saw it change (seconds since 1970, 0 unknown), `findings` the
    secrets that were found in it (and redacted, where the policy says so).
    """

    text: str
    path: str
    language: str
    group: str
    note: str = ""
    weight: float = 1.0
    changed: float = 0.0
    findings: tuple[Finding, ...] = ()

    @property
    def size(self) -> int:
        """Length in characters."""
        return len(self.text)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that is left out; `detail` says more where there is more ("of src/a.py")."""

    path: str
    reason: str
    language: str = ""
    detail: str = ""
    findings: tuple[Finding, ...] = ()
