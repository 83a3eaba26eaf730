"""One file's way in: its name, then its bytes; the same for a folder, a zip and a table."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable

from codetune_ui.core.clean import MOST_BYTES, NameRules, decode, with_plain_line_ends
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.languages import language_of, may_need_first_line

CRLF_NOTE = "line ends were CRLF"
# What reading may raise: gone or forbidden; and in a zip torn, encrypted or packed unknown ways.
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)


def admit_file(path: str, read: Callable[[int], bytes], rules: NameRules) -> Document | Dropped:
    """Return a file as a document, or why it is not one; `read(most)` is called at most once."""
    language = language_of(path) or ""
    if reason := rules.reason(path):
        return Dropped(path, reason, language)
    if not language and not may_need_first_line(path):
        return Dropped(path, DropReason.NOT_CODE)
    try:
        data = read(MOST_BYTES + 1)
    except UNREADABLE:
        return Dropped(path, DropReason.UNREADABLE, language)
    language = language or language_of(path, data[:200].partition(b"\n")[0]) or ""
    if not language:
        return Dropped(path, DropReason.NOT_CODE)
    text = decode(data)
    if isinstance(text, DropReason):
        return Dropped(path, text, language)
    note = CRLF_NOTE if b"\r" in data else ""
    return Document(text, path, language, path.partition("/")[0], note)


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
