"""One file's way in: its name, then its bytes; the same for a folder, an archive and a table."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Protocol

from codetune_ui.core.clean import decode, with_plain_line_ends
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.languages import language_of, may_need_first_line

CRLF_NOTE = "line ends were CRLF"
UNKNOWN = "Unknown"  # the language of a row without a path, and of a forced file without a name
NONE: frozenset[DropReason] = frozenset()
# What reading may raise: gone or forbidden; and in an archive torn, encrypted or packed strangely.
UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
)


class Rules(Protocol):
    """What a path alone decides; `NameRules`, or those of one source among several."""

    def forces(self, path: str) -> bool:
        """Return whether the person wants this file whatever the rules say."""

    def most_bytes(self, path: str) -> int:
        """Return how large this file may be."""

    def reason(self, path: str, pardoned: frozenset[DropReason] = NONE) -> DropReason | None:
        """Return why a path is left out before it is opened, None when it is wanted."""


def admit_file(
    path: str,
    read: Callable[[int], bytes],
    rules: Rules,
    *,
    pardoned: frozenset[DropReason] = NONE,
    changed: float = 0.0,
) -> Document | Dropped:
    """Return a file as a document, or why it is not one; `read(most)` is called at most once.

    `pardoned` are the rules by name that .gitattributes lifts; see `Document` for `changed`.
    """
    language = language_of(path) or ""
    if reason := rules.reason(path, pardoned):
        return Dropped(path, reason, language)
    forced = rules.forces(path)
    if not (language or forced or may_need_first_line(path)):
        return Dropped(path, DropReason.NOT_CODE)
    most = rules.most_bytes(path)
    try:
        data = read(most + 1)
    except UNREADABLE:
        return Dropped(path, DropReason.UNREADABLE, language)
    language = language or language_of(path, data[:200].partition(b"\n")[0]) or ""
    if not (language or forced):
        return Dropped(path, DropReason.NOT_CODE)
    text = decode(data, most)
    if isinstance(text, DropReason):
        return Dropped(path, text, language)
    note = CRLF_NOTE if b"\r" in data else ""
    group = path.partition("/")[0]
    return Document(text, path, language or UNKNOWN, group, note, changed=changed)


def admit_text(text: str, path: str, language: str, group: str) -> Document | Dropped:
    """Return a text that came from a table as a document, or why it cannot be one."""
    if "\0" in text:
        return Dropped(path, DropReason.BINARY, language)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # JSON can hold half a surrogate pair
        return Dropped(path, DropReason.UNDECODABLE, language)
    note = CRLF_NOTE if "\r" in text else ""
    return Document(with_plain_line_ends(text), path, language, group, note)
