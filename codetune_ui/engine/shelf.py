"""Documents on disk: texts are put away as they are read, and read back one by one when needed.

In memory stays an `Entry` a document (some 250 bytes, a third of them its path), so that ten
gigabytes of code need no more of it than their names. The file has no name, or loses it when it is
closed: a process that is killed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import json
import struct
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Protocol, overload

from codetune_ui.core.document import Document, Finding

LENGTHS = struct.Struct("<QQ")  # bytes of what is said of a document, bytes of its text


@dataclass(frozen=True, slots=True)
class Entry:
    """What the split, the weights and the order of an epoch need of a document; not its text.

    `size` is in characters, `place` the byte in the shelf's file where the document begins.
    """

    path: str
    group: str
    size: int
    changed: float
    weight: float
    place: int


class Shelf:
    """A scratch file of documents, in a folder that is private to its owner; use as a context."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".texts-")  # noqa: SIM115
        self._end = 0
        self._groups: dict[str, str] = {}

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the file and all that is in it."""
        with contextlib.suppress(OSError):  # a full disk: what is not written yet nobody needs now
            self._file.close()

    def append(self, document: Document) -> Entry:
        """Put a document at the end; return what is needed to find it."""
        place = self._end
        self._file.seek(place)
        self._end += put(self._file, document)
        group = self._groups.setdefault(document.group, document.group)  # one string for all of it
        size = len(document.text)
        return Entry(document.path, group, size, document.changed, document.weight, place)

    def read(self, entry: Entry) -> Document:
        """Return a document as it was put here, under its entry's path."""
        return take(self._file, entry.place, entry)

    def view(self, entries: Sequence[Entry]) -> View:
        """Return some of the documents, in this order; each is read when it is asked for."""
        return View(self, entries)

    def put(self, documents: Iterable[Document]) -> list[Entry]:
        """Put many documents here, one at a time."""
        return [self.append(document) for document in documents]


class Scanned:
    """The documents of a finished scan, by its index; a text is read when it is asked for.

    Raises `OSError` or `ValueError` where the two files are not a scan's.
    """

    def __init__(self, documents: Path, index: Path) -> None:
        self.train, self.held_out = read_index(index)
        self._file = documents.open("rb")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read(self, entry: Entry) -> Document:
        """Return a document under its entry's path."""
        self._file.seek(entry.place)
        said = json.loads(self._file.readline())
        text, language = said["text"], said["language"]
        return Document(text, entry.path, language, entry.group, weight=entry.weight)

    def view(self, entries: Sequence[Entry]) -> View:
        """Return some of the documents, in this order."""
        return View(self, entries)


def read_index(index: Path) -> tuple[list[Entry], list[Entry]]:
    """Return the documents of both sides, to train on and held out."""
    train: list[Entry] = []
    held_out: list[Entry] = []
    groups: dict[str, str] = {}
    with index.open(encoding="utf-8") as lines:
        for line in lines:
            path, group, side, size, weight, place = json.loads(line)
            entry = Entry(path, groups.setdefault(group, group), size, 0.0, weight, place)
            (train if side == "train" else held_out).append(entry)
    return train, held_out


def index_line(document: Document | Entry, side: str, place: int) -> str:
    """Return a line of the index that `Scanned` reads; `place` is the byte of a document's line."""
    about = (document.path, document.group, side, document.size, document.weight, place)
    return json.dumps(about) + "\n"


class Texts(Protocol):
    """Where the texts of entries lie: a `Shelf`, or a scan."""

    def read(self, entry: Entry) -> Document:
        """Return a document by its entry."""

    def view(self, entries: Sequence[Entry]) -> View:
        """Return some of the documents as a sequence."""

    def close(self) -> None:
        """Let go of the file."""


class View(Sequence[Document]):
    """Documents of a shelf as a sequence; none of them stays in memory."""

    def __init__(self, shelf: Texts, entries: Sequence[Entry]) -> None:
        self._shelf, self.entries = shelf, entries

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> View: ...
    def __getitem__(self, index: int | slice) -> Document | View:
        if isinstance(index, slice):
            return View(self._shelf, self.entries[index])
        return self._shelf.read(self.entries[index])


ELSEWHERE = ("text", "path", "group", "findings")
SAID = [field.name for field in fields(Document) if field.name not in ELSEWHERE]


def put(file: IO[bytes], document: Document) -> int:
    """Write a document where the file stands, all but its path and group; return its bytes."""
    about, text = _about(document), document.text.encode("utf-8", "surrogatepass")
    file.write(LENGTHS.pack(len(about), len(text)) + about)
    file.write(text)
    return LENGTHS.size + len(about) + len(text)


def take(file: IO[bytes], place: int, entry: Entry) -> Document:
    """Read a document that begins at a byte of a file, under its entry's path."""
    file.seek(place)
    about_size, text_size = LENGTHS.unpack(file.read(LENGTHS.size))
    about = json.loads(file.read(about_size))
    text = file.read(text_size).decode("utf-8", "surrogatepass")
    findings = tuple(Finding(**finding) for finding in about.pop("findings"))
    names = {"path": entry.path, "group": entry.group}
    return Document(**about | names | {"text": text, "findings": findings})


def _about(document: Document) -> bytes:
    said = {name: getattr(document, name) for name in SAID}
    said["findings"] = [asdict(finding) for finding in document.findings]
    return json.dumps(said).encode("ascii")
