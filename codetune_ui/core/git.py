"""A git checkout read without git: its index says which files are tracked.

Neither git nor the repository's configuration is used: a configuration can name programs to run
(fsmonitor, filters, hooks, aliases). Paths in the index are only compared with those that were
found on disk, never opened, so that an entry like ../../etc/passwd leads nowhere.
"""

from __future__ import annotations

import stat
import struct
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codetune_ui.core.disk import read_regular, read_text, readable

MOST_INDEX_BYTES = 1_000_000_000  # some five million files
SMALL = 4096  # bytes of the files that only name a folder
GITLINK = 0o160000
LONG_NAME = 0xFFF
EXTENDED = 0x4000
OID = 20  # bytes of a SHA-1
ENTRY = ">24xL32xH"  # times and numbers, mode, owners and size and hash, flags
UNSUPPORTED = (ValueError, IndexError, struct.error)


@dataclass(frozen=True)
class Checkout:
    """A work tree and what its index says; all paths with "/" between, relative to `top`.

    `git_dir` belongs to this work tree (index, HEAD), `common_dir` to all of the repository's
    (objects, refs, info). `folders` are those that hold tracked files, each with "/" at its end.
    """

    top: Path
    git_dir: Path
    common_dir: Path
    tracked: frozenset[str]
    folders: frozenset[str]
    links: frozenset[str]
    submodules: frozenset[str]


def find_checkout(folder: Path) -> Checkout | None:
    """Return the checkout whose top this folder is; None when it is none that can be understood.

    An index that is missing, empty, split, torn or of a SHA-256 repository counts as none: the
    folder is then read as any other.
    """
    git_dir = _git_dir(folder)
    if git_dir is None:
        return None
    try:
        data = read_regular(git_dir / "index", MOST_INDEX_BYTES)
        entries = [(_shown(name), mode) for name, mode in index_entries(data)]
    except (OSError, *UNSUPPORTED):
        return None
    if not entries:
        return None
    common = read_text(git_dir / "commondir", SMALL).strip()
    files = [name for name, mode in entries if mode != GITLINK]
    return Checkout(
        top=folder,
        git_dir=git_dir,
        common_dir=git_dir / common if common else git_dir,
        tracked=frozenset(files),
        folders=frozenset(_folders(name for name, _ in entries)),
        links=frozenset(name for name, mode in entries if stat.S_ISLNK(mode)),
        submodules=frozenset(name for name, mode in entries if mode == GITLINK),
    )


def checkout_around(folder: Path) -> Checkout | None:
    """Return the checkout that a folder is, or is a tracked part of."""
    for above in (folder, *folder.parents):
        if (above / ".git").exists():
            checkout = find_checkout(above)
            if checkout is None or above == folder:
                return checkout
            # A folder below a home that is itself under git, but not this part of it, is its own.
            inside = readable(folder.relative_to(above).as_posix()) + "/"
            return checkout if inside in checkout.folders else None
    return None


def index_entries(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield path and mode of each entry of an index file of version 2, 3 or 4.

    Raises one of `UNSUPPORTED` where the format is another, or torn. Source: git's
    Documentation/gitformat-index.
    """
    magic, version, count = struct.unpack_from(">4sLL", data)
    if magic != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("not an index of a known version")
    place, name = 12, b""
    for _ in range(count):
        mode, flags = struct.unpack_from(ENTRY, data, place)
        start = place + struct.calcsize(ENTRY) + (2 if flags & EXTENDED else 0)
        if version == 4:
            strip, start = _varint(data, start)
            end = data.index(b"\0", start)
            name = name[: len(name) - strip] + data[start:end]
            place = end + 1
        else:
            length = flags & LONG_NAME
            end = start + length if length < LONG_NAME else data.index(b"\0", start)
            name = data[start:end]
            place += (end - place + 8) & ~7
        if not name or b"\0" in name:
            raise ValueError("not an entry")
        yield name, mode
    _check_extensions(data, place)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number in the offset encoding of packs, and where it ends."""
    value = data[place] & 0x7F
    while data[place] & 0x80:
        place += 1
        value = ((value + 1) << 7) | (data[place] & 0x7F)
    return value, place + 1


def _check_extensions(data: bytes, place: int) -> None:
    """Refuse an index whose other half lies in another file ("link"), or which breaks off."""
    end = len(data) - OID  # the file's own hash
    while place < end:
        name, size = struct.unpack_from(">4sL", data, place)
        if name[:1].islower() and name != b"sdir":  # small letters: must be understood
            raise ValueError("an extension that changes what the entries mean")
        place += 8 + size
    if place != end:
        raise ValueError("breaks off")


def _git_dir(folder: Path) -> Path | None:
    """Return where a work tree's own files lie; a worktree's or submodule's `.git` is a file."""
    place = folder / ".git"
    try:
        mode = place.lstat().st_mode
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(mode):
        return place
    named = read_text(place, SMALL).strip()
    if not named.startswith("gitdir:") or "\0" in named:
        return None
    return folder / named.removeprefix("gitdir:").strip()


def _shown(name: bytes) -> str:
    text = readable(name.decode("utf-8", "surrogateescape"))
    return same_form(text)


def same_form(path: str) -> str:
    """Return a path as the index spells it: macOS may give the letters of a name apart."""
    return unicodedata.normalize("NFC", path) if sys.platform == "darwin" else path


def _folders(names: Iterator[str]) -> Iterator[str]:
    last = ""
    for name in names:
        folder = name.rpartition("/")[0]
        if folder != last:
            last = folder
            parts = folder.split("/") if folder else []
            yield from ("/".join(parts[: depth + 1]) + "/" for depth in range(len(parts)))
