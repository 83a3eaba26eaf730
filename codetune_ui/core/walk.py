"""Every file below a folder, in a fixed order; no link is followed, only regular files are read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from codetune_ui.core.clean import VENDORED_FOLDERS
from codetune_ui.core.document import Dropped, DropReason
from codetune_ui.core.ignore import IGNORE_FILES, MOST_BYTES, IgnoreRules

Waiting = tuple[str, os.DirEntry[str], DropReason | None]  # path, entry, its folder's reason


def walk(root: Path) -> Iterator[tuple[str, Path] | Dropped]:
    """Yield (relative path, file) for every file to look at, and what is left out unseen.

    Files inside an ignored or vendored folder are named one by one, so that the counts add up; only
    .git itself is no part of the code.
    """
    rules = IgnoreRules()
    rules.add("", _ignore_lines(root))
    waiting: list[Waiting] = []  # a stack, not recursion: folders nest deeper than Python does
    yield from _push(waiting, root, "", None)
    while waiting:
        path, entry, inherited = waiting.pop()
        mode = _mode(entry)
        reason = inherited or _reason(path, entry, mode, rules)
        if mode is not None and stat.S_ISDIR(mode):
            folder = Path(entry.path)
            if reason is None:
                rules.add(path + "/", _ignore_lines(folder))
            yield from _push(waiting, folder, path + "/", reason)
        elif reason is not None:
            yield Dropped(path, reason)
        else:
            yield path, Path(entry.path)


def _push(
    waiting: list[Waiting], folder: Path, base: str, reason: DropReason | None
) -> Iterator[Dropped]:
    """Put a folder's entries on the stack, the first name on top; say when it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name, reverse=True)
    except OSError:
        yield Dropped(base or "./", reason or DropReason.UNREADABLE)
        return
    waiting += [(base + readable(e.name), e, reason) for e in entries if e.name != ".git"]


def _mode(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat(follow_symlinks=False).st_mode
    except OSError:
        return None  # it went away, or its name is too long


def _reason(
    path: str, entry: os.DirEntry[str], mode: int | None, rules: IgnoreRules
) -> DropReason | None:
    if mode is None:
        return DropReason.UNREADABLE
    if stat.S_ISLNK(mode):
        return DropReason.LINK
    if stat.S_ISDIR(mode):
        if rules.ignores(path + "/"):
            return DropReason.IGNORED
        return DropReason.VENDORED if VENDORED_FOLDERS.fullmatch(entry.name) else None
    if not stat.S_ISREG(mode):
        return DropReason.UNREADABLE  # a pipe would wait for ever
    return DropReason.IGNORED if rules.ignores(path) else None


def readable(name: str) -> str:
    """Return a file name that can be printed and stored: bytes that are not UTF-8 are shown.

    >>> readable("caf\\udce9.py")
    'caf\\\\xe9.py'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_regular(file: Path, most: int) -> bytes:
    """Return at most `most` bytes; `OSError` when it is, or has just become, no regular file."""
    # The entry may have been replaced since it was listed: no link, and no waiting for a pipe.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(file, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(file))
        return stream.read(most)


def _ignore_lines(folder: Path) -> str:
    lines = []
    for name in IGNORE_FILES:
        try:
            lines.append(read_regular(folder / name, MOST_BYTES).decode("utf-8", "replace"))
        except OSError:
            continue  # there is none, or it is a link: git does not follow that either
    return "\n".join(lines)
