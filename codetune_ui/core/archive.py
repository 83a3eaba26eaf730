"""A .zip file read in place: nothing is written, links are not followed, bombs are cut off."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from codetune_ui.core.admit import UNREADABLE, admit_file
from codetune_ui.core.clean import MOST_BYTES, NameRules
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import SourceError
from codetune_ui.core.ignore import IGNORE_FILES, IgnoreRules

MOST_MEMBERS = 500_000  # a directory of millions fills the memory before anything is read
MOST_UNPACKED = 4_000_000_000  # bytes in all; each file is unpacked to at most a megabyte
DRIVE = re.compile(r"[A-Za-z]:")


class Archive:
    """An open zip and how much of it was unpacked so far."""

    def __init__(self, zip_file: zipfile.ZipFile) -> None:
        self._zip = zip_file
        self._left = MOST_UNPACKED

    def read(self, member: zipfile.ZipInfo, most: int) -> bytes:
        """Unpack at most `most` bytes; `ValueError` when the archive has given too much already."""
        if self._left <= 0:
            raise ValueError("unpacks to too much")
        with self._zip.open(member) as stream:
            data = stream.read(most)
        self._left -= len(data)
        return data

    def ignore_rules(self, members: dict[str, zipfile.ZipInfo]) -> IgnoreRules:
        """Read the ignore files inside, the outermost first."""
        lines: dict[str, str] = {}
        for name in IGNORE_FILES:
            for path in members:
                if path == name or path.endswith("/" + name):
                    folder = path.removesuffix(name)
                    lines[folder] = lines.get(folder, "") + self._text(members[path])
        rules = IgnoreRules()
        for folder in lines:
            rules.add(folder, lines[folder])
        return rules

    def _text(self, member: zipfile.ZipInfo) -> str:
        try:
            return self.read(member, MOST_BYTES).decode("utf-8", "replace") + "\n"
        except UNREADABLE:
            return ""


def read_zip(file: Path, rules: NameRules) -> Iterator[Document | Dropped]:
    """Yield what a zip holds, by name; `SourceError` when it is none."""
    try:
        with zipfile.ZipFile(file) as zip_file:
            yield from _members(zip_file, rules)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise SourceError(
            f"'{file.name}' cannot be read as a zip file.", "Pack it anew."
        ) from error


def _members(zip_file: zipfile.ZipFile, rules: NameRules) -> Iterator[Document | Dropped]:
    found = sorted(zip_file.infolist(), key=lambda info: info.filename)
    if len(found) > MOST_MEMBERS:
        raise SourceError(
            f"The zip holds {len(found):,} files, more than {MOST_MEMBERS:,}.",
            "Unpack it, and give the folder.",
        )
    members = [(_plain(info.filename), info) for info in found if not info.is_dir()]
    archive = Archive(zip_file)
    ignored = archive.ignore_rules(dict(members))
    for path, info in members:
        if ".git" in path.split("/")[:-1]:
            continue
        reason = _reason(path, info, ignored)
        if reason is not None:
            yield Dropped(path, reason)
        else:
            yield admit_file(path, partial(archive.read, info), rules)


def _plain(name: str) -> str:
    """Return a name with "/" between, printable: some packers write "\\"."""
    return name.replace("\\", "/").encode("utf-8", "backslashreplace").decode("utf-8")


def _reason(path: str, info: zipfile.ZipInfo, ignored: IgnoreRules) -> DropReason | None:
    if path.startswith("/") or ".." in path.split("/") or DRIVE.match(path):
        return DropReason.OUTSIDE
    if stat.S_ISLNK(info.external_attr >> 16):
        return DropReason.LINK
    return DropReason.IGNORED if ignored.ignores(path) else None
