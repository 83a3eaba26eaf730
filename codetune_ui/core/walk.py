"""Every file below a folder, in a fixed order; no link is followed, only regular files are read.

In a git checkout the tracked files, in any other folder those that .gitignore leaves. A checkout
inside a plain folder (one of several clones) and a submodule that is there are read by their own
index and rules; any other repository inside a checkout is not tracked, as git sees it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codetune_ui.core.admit import Rules
from codetune_ui.core.clean import VENDORED_FOLDERS
from codetune_ui.core.disk import readable
from codetune_ui.core.document import Dropped, DropReason
from codetune_ui.core.git import checkout_around, find_checkout
from codetune_ui.core.scope import Scope


@dataclass(frozen=True, slots=True)
class Found:
    """A file to look at; see `Document.changed`, and `Scope.pardoned`; `size` is in bytes."""

    path: str
    file: Path
    changed: float = 0.0
    pardoned: frozenset[DropReason] = frozenset()
    size: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry still to be looked at, and why all of its folder is left out, if it is."""

    path: str
    entry: os.DirEntry[str]
    scope: Scope
    inherited: DropReason | None


def walk(
    root: Path, rules: Rules, *, since: float = 0.0, git: bool = True
) -> Iterator[Found | Dropped]:
    """Yield every file to look at, and what is left out unseen.

    Files inside an ignored or vendored folder are named one by one, so that the counts add up; only
    .git itself is no part of the code. With `since` (seconds since 1970) a checkout's history is
    asked when its files changed.
    """
    scope = _scope_of(root, since) if git else Scope()
    scope.enter("", root)
    waiting: list[Waiting] = []  # a stack, not recursion: folders nest deeper than Python does
    yield from _push(waiting, root, "", scope, None)
    while waiting:
        item = waiting.pop()
        found = _stat(item.entry)
        mode = None if found is None else found.st_mode
        if mode is not None and stat.S_ISDIR(mode):
            yield from _enter(waiting, item, since, git=git)
        elif (reason := _file_reason(item, mode, rules)) is not None:
            yield Dropped(item.path, reason)
        else:
            scope, path, size = item.scope, item.path, found.st_size if found else 0
            changed, pardoned = scope.changed(path), scope.pardoned(path)
            yield Found(path, Path(item.entry.path), changed, pardoned, size)


def _scope_of(root: Path, since: float) -> Scope:
    whole = root.resolve()
    checkout = checkout_around(whole)
    if checkout is None:
        return Scope()
    inside = readable(whole.relative_to(checkout.top).as_posix()) + "/"
    return Scope("", checkout, "" if inside == "./" else inside, since)


def _enter(waiting: list[Waiting], item: Waiting, since: float, *, git: bool) -> Iterator[Dropped]:
    folder, path, scope = Path(item.entry.path), item.path + "/", item.scope
    reason = item.inherited or _folder_reason(item)
    if reason is None:
        own = scope.checkout is None or scope.is_submodule(path)
        checkout = find_checkout(folder) if git and own else None
        if checkout is not None:
            scope = Scope(path, checkout, "", since)
        scope.enter(path, folder)
    yield from _push(waiting, folder, path, scope, reason)


def _push(
    waiting: list[Waiting], folder: Path, base: str, scope: Scope, reason: DropReason | None
) -> Iterator[Dropped]:
    """Put a folder's entries on the stack, the first name on top; say when it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name, reverse=True)
    except OSError:
        yield Dropped(base or "./", reason or DropReason.UNREADABLE)
        return
    waiting += [
        Waiting(base + readable(entry.name), entry, scope, reason)
        for entry in entries
        if entry.name != ".git"
    ]


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None  # it went away, or its name is too long


def _folder_reason(item: Waiting) -> DropReason | None:
    if item.scope.leaves_out(item.path + "/"):
        return DropReason.IGNORED
    return DropReason.VENDORED if VENDORED_FOLDERS.fullmatch(item.entry.name) else None


def _file_reason(item: Waiting, mode: int | None, rules: Rules) -> DropReason | None:
    if mode is None or not stat.S_ISREG(mode):  # a pipe would wait for ever
        link = mode is not None and stat.S_ISLNK(mode)
        return item.inherited or (DropReason.LINK if link else DropReason.UNREADABLE)
    if rules.forces(item.path):
        return None
    if item.inherited is not None and item.inherited not in item.scope.pardoned(item.path):
        return item.inherited
    return item.scope.reason(item.path)
