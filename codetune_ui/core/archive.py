"""A .zip or .tar.gz file read in place: nothing is written, links not followed, bombs cut off."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from codetune_ui.core.admit import UNREADABLE, Rules, admit_file
from codetune_ui.core.disk import readable
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import SourceError
from codetune_ui.core.ignore import IGNORE_FILES, MOST_BYTES
from codetune_ui.core.languages import language_of
from codetune_ui.core.scope import ATTRIBUTES, Scope

MOST_MEMBERS = 500_000  # a directory of millions fills the memory before anything is read
MOST_UNPACKED = 4_000_000_000  # bytes in all; each file is unpacked to at most a megabyte
MOST_RATIO = 200  # unpacked to packed; code packs to a fifth, a file of zeros to a thousandth
FREE_RATIO = 100_000_000  # unpacked bytes before the ratio counts
MOST_HEADER = 16_000_000  # bytes of one header of a tar
LOOK_AHEAD = 64_000_000  # unpacked bytes of a tar that are searched for ignore files first
DRIVE = re.compile(r"[A-Za-z]:")
RULE_FILES = (*IGNORE_FILES, ATTRIBUTES)

Member = tuple[str, int, Callable[[], Document | Dropped]]  # path, bytes, how to read it

OPENERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".tar": lambda raw: raw,
    ".tar.gz": lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb")),
    ".tgz": lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb")),
    ".tar.bz2": lambda raw: cast(IO[bytes], bz2.BZ2File(raw)),
    ".tar.xz": lambda raw: cast(IO[bytes], lzma.LZMAFile(raw)),  # noqa: SIM115
}
TAR_ENDINGS = tuple(OPENERS)


class RuleFiles:
    """The ignore files and .gitattributes inside an archive, by the folder they lie in."""

    def __init__(self) -> None:
        self.scope = Scope()
        self._texts: dict[str, dict[str, str]] = {}

    def take(self, path: str, data: bytes) -> None:
        """Read one of `RULE_FILES`."""
        name = next(name for name in RULE_FILES if is_named(path, name))
        folder = path.removesuffix(name)
        texts = self._texts.setdefault(folder, {})
        texts[name] = data.decode("utf-8", "replace")
        self.scope.add(folder, texts, texts.get(ATTRIBUTES, ""))


def is_named(path: str, *names: str) -> bool:
    """Return whether a path ends in one of these names."""
    return any(path == name or path.endswith("/" + name) for name in names)


def _reason(path: str, scope: Scope, rules: Rules, *, link: bool) -> DropReason | None:
    if path.startswith("/") or ".." in path.split("/") or DRIVE.match(path):
        return DropReason.OUTSIDE
    if link:
        return DropReason.LINK
    return None if rules.forces(path) else scope.reason(path)


# --- zip: its directory is read first


class Archive:
    """An open zip and how much of it may still be unpacked."""

    def __init__(self, zip_file: zipfile.ZipFile, packed: int) -> None:
        self._zip = zip_file
        self._left = min(MOST_UNPACKED, max(FREE_RATIO, MOST_RATIO * packed))

    def read(self, member: zipfile.ZipInfo, most: int) -> bytes:
        """Unpack at most `most` bytes; `ValueError` when the archive has given too much already."""
        if self._left <= 0:
            raise ValueError("unpacks to too much")
        with self._zip.open(member) as stream:
            data = stream.read(most)
        self._left -= len(data)
        return data

    def rule_files(self, members: list[tuple[str, zipfile.ZipInfo]]) -> Scope:
        """Read the ignore files inside, the outermost first."""
        found = RuleFiles()
        for path, info in members:
            if is_named(path, *RULE_FILES):
                try:
                    found.take(path, self.read(info, MOST_BYTES))
                except UNREADABLE:
                    continue
        return found.scope


def read_zip(file: Path, rules: Rules) -> Iterator[Document | Dropped]:
    """Yield what a zip holds, by name; `SourceError` when it is none."""
    try:
        with zipfile.ZipFile(file) as zip_file:
            for item in _entries(zip_file, file.stat().st_size, rules):
                yield item if isinstance(item, Dropped) else item[2]()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise _no_zip(file) from error


def list_zip(file: Path, rules: Rules) -> Iterator[Member]:
    """Yield path, bytes and how to read it, of every file a zip would give; it stays open.

    `SourceError` when it is no zip.
    """
    try:
        zip_file = zipfile.ZipFile(file)
        for item in _entries(zip_file, file.stat().st_size, rules):
            if not isinstance(item, Dropped):
                yield item
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise _no_zip(file) from error


def _no_zip(file: Path) -> SourceError:
    return SourceError(f"'{file.name}' cannot be read as a zip file.", "Pack it anew.")


def _entries(zip_file: zipfile.ZipFile, packed: int, rules: Rules) -> Iterator[Dropped | Member]:
    found = sorted(zip_file.infolist(), key=lambda info: info.filename)
    if len(found) > MOST_MEMBERS:
        raise SourceError(
            f"The zip holds {len(found):,} files, more than {MOST_MEMBERS:,}.",
            "Unpack it, and give the folder.",
        )
    members = [(_plain(info.filename), info) for info in found if not info.is_dir()]
    archive = Archive(zip_file, packed)
    scope = archive.rule_files(members)
    for path, info in members:
        if ".git" in path.split("/")[:-1]:
            continue
        reason = _reason(path, scope, rules, link=stat.S_ISLNK(info.external_attr >> 16))
        pardoned = scope.pardoned(path)
        if reason is not None:
            yield Dropped(path, reason)
        elif reason := rules.reason(path, pardoned):
            yield Dropped(path, reason, language_of(path) or "")
        else:
            read = partial(archive.read, info)
            yield path, info.file_size, partial(admit_file, path, read, rules, pardoned=pardoned)


def _plain(name: str) -> str:
    """Return a name with "/" between, printable: some packers write "\\"."""
    return name.replace("\\", "/").encode("utf-8", "backslashreplace").decode("utf-8")


# --- tar: a stream, read from front to end


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a tar, read forward only; `ValueError` when they are too many."""

    def __init__(self, raw: IO[bytes], stream: IO[bytes]) -> None:
        self._raw, self._stream = raw, stream
        self._place = 0
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes; a header that wants more than fits is refused."""
        if not 0 <= size <= MOST_HEADER:
            raise ValueError("a header that is too large")
        self.last = self._stream.read(size)
        self._place += len(self.last)
        fair = max(FREE_RATIO, MOST_RATIO * self._raw.tell())
        if self._place > min(MOST_UNPACKED, fair):
            raise ValueError("unpacks to too much")
        return self.last

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._place

    def seek(self, place: int, _whence: int = 0) -> int:
        """Read on up to a place."""
        if place < self._place:
            raise ValueError("a tar is read forward only")
        while self._place < place and self.read(min(place - self._place, 1 << 20)):
            pass
        return self._place


def read_tar(file: Path, rules: Rules) -> Iterator[Document | Dropped]:
    """Yield what a tar holds, in its order; `SourceError` when nothing in it can be read.

    Of an archive that breaks off or unpacks to too much comes what was read until then, and one
    line for the rest. Ignore files in the first `LOOK_AHEAD` bytes hold for all of it, later ones
    for what comes after them.
    """
    count = 0
    found = RuleFiles()
    try:
        _look_ahead(file, found)
        for item in _tar_items(file, rules, found):
            count += 1
            yield item
    except UNREADABLE as error:
        if not count:
            message = f"'{file.name}' cannot be read as an archive."
            raise SourceError(message, "Pack it anew.") from error
        rest = f"{file.name}: the rest"
        yield Dropped(rest, DropReason.UNREADABLE, detail=f"the archive {_what(error)}")


def _what(error: Exception) -> str:
    text = str(error)
    return text if text == "unpacks to too much" else "breaks off"


def _look_ahead(file: Path, found: RuleFiles) -> None:
    try:
        for path, member, tar, place in _tar_members(file):
            if place > LOOK_AHEAD:
                return
            if member.isreg() and is_named(path, *RULE_FILES):
                found.take(path, _bytes_of(tar, member, MOST_BYTES))
    except UNREADABLE:
        return  # the second reading says so


def _tar_items(file: Path, rules: Rules, found: RuleFiles) -> Iterator[Document | Dropped]:
    for path, member, tar, _ in _tar_members(file):
        if member.isdir() or ".git" in path.split("/")[:-1]:
            continue
        link = member.issym() or member.islnk()
        reason = _reason(path, found.scope, rules, link=link)
        if reason is None and not member.isreg():
            reason = DropReason.UNREADABLE  # a device, a pipe
        if reason is not None:
            yield Dropped(path, reason)
            continue
        read = partial(_bytes_of, tar, member)
        if is_named(path, *RULE_FILES):
            data = read(MOST_BYTES)
            found.take(path, data)
            read = partial(_start_of, data)
        yield admit_file(path, read, rules, pardoned=found.scope.pardoned(path))


def _start_of(data: bytes, most: int) -> bytes:
    return data[:most]


def _bytes_of(tar: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    stream = tar.extractfile(member)
    return stream.read(most) if stream is not None else b""


def _tar_members(file: Path) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile, int]]:
    """Yield path, member, its tar and the place so far; raises one of `UNREADABLE` when torn."""
    ending = next(ending for ending in TAR_ENDINGS if file.name.lower().endswith(ending))
    with file.open("rb") as raw, closing(OPENERS[ending](raw)) as stream:
        unpacked = Unpacked(raw, stream)
        tar = tarfile.TarFile(
            fileobj=cast(Any, unpacked), mode="r", encoding="utf-8", errors="surrogateescape"
        )
        for _ in range(MOST_MEMBERS):
            member = tar.next()
            if member is None:
                break
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps every header
            yield _tidy(member.name), member, tar, unpacked.tell()
        if unpacked.last.strip(b"\0") or len(unpacked.last) < tarfile.BLOCKSIZE:
            raise EOFError("no end mark")


def _tidy(name: str) -> str:
    """Return a member's name without "./" in it, printable."""
    path = readable(name.replace("\\", "/"))
    front = "/" if path.startswith("/") else ""
    return front + "/".join(part for part in path.split("/") if part not in ("", "."))
