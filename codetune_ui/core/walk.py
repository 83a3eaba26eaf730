"""Every file below a folder, in a fixed order; no link is followed, only regular files are read.

In a git checkout the tracked files, in any other folder those that .gitignore leaves. A checkout
inside a plain folder (one of several clones) and a submodule that is there are read by their own
index and rules; any other repository inside a checkout is not tracked, as git sees it.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from codetune_ui.core.admit import Rules
from codetune_ui.core.clean import VENDORED_FOLDERS
from codetune_ui.core.disk import readable
from codetune_ui.core.document import Dropped, DropReason
from codetune_ui.core.git import checkout_around, find_checkout
from codetune_ui.core.scope import NONE, Scope
from codetune_ui.core.split import place_of


class Found(NamedTuple):
    """A file to look at; see `Document.changed`, and `Scope.pardoned`; `size` is in bytes."""

    path: str
    file: str
    changed: float = 0.0
    pardoned: frozenset[DropReason] = frozenset()
    size: int = 0


class Folder(NamedTuple):
    """A folder that is being read: what is left of it, and why all of it is left out, if it is.

    `path` is "" or ends with "/".
    """

    path: str
    entries: Iterator[os.DirEntry[str]]
    scope: Scope
    reason: DropReason | None


def walk(
    root: Path, rules: Rules, *, since: float = 0.0, git: bool = True
) -> Iterator[Found | Dropped]:
    """Yield every file to look at, and what is left out unseen.

    Files inside an ignored or vendored folder are named one by one, so that the counts add up; only
    .git itself is no part of the code. With `since` (seconds since 1970) a checkout's history is
    asked when its files changed.
    """
    top = _top(root, since, git=git)
    if top is None:
        yield Dropped("./", DropReason.UNREADABLE)
        return
    open_folders = [top]  # not recursion: folders nest deep
    while open_folders:
        folder = open_folders[-1]
        inner = yield from _files(folder, rules)
        if inner is None:
            open_folders.pop()
        elif isinstance(entered := _enter(folder, inner, since, git=git), Folder):
            open_folders.append(entered)
        else:
            yield entered


def walk_shuffled(root: Path, rules: Rules, *, git: bool = True) -> Iterator[Found | Dropped]:
    """Yield what `walk` yields, one folder's files at a time, in the order of names' hashes.

    The folders inside a folder take turns, and so do those inside them: the first thousands of a
    large tree are of all its parts, and the rest need not be listed for them.
    """
    top = _top(root, 0.0, git=git)
    if top is None:
        yield Dropped("./", DropReason.UNREADABLE)
        return
    branch = yield from _open(top, rules)
    while branch:
        way, item = [branch], branch.popleft()
        while isinstance(item, deque):
            way.append(item)
            item = item.popleft()
        above, entry = item
        entered = _enter(above, entry, 0.0, git=git)
        if isinstance(entered, Folder):
            way.append((yield from _open(entered, rules)))
        else:
            yield entered
        for outer, inner in zip(way[-2::-1], way[:0:-1], strict=True):
            if inner:
                outer.append(inner)  # its next turn comes after its neighbours'


def _open(folder: Folder, rules: Rules) -> Generator[Found | Dropped, None, deque[Any]]:
    """Yield a folder's files and return the folders inside, of which none is listed yet."""
    folder = folder._replace(entries=iter(sorted(folder.entries, key=_place)))
    inner: deque[Any] = deque()  # (the folder, an entry of it), or a deque of such
    while (entry := (yield from _files(folder, rules))) is not None:
        inner.append((folder, entry))
    return inner


def _place(entry: os.DirEntry[str]) -> float:
    return place_of(entry.name)


def _top(root: Path, since: float, *, git: bool) -> Folder | None:
    """Open the folder itself, with the rules that hold in it; None when it cannot be listed."""
    scope = _scope_of(root, since) if git else Scope()
    entries = _list(str(root))
    if entries is None:
        return None
    scope.enter("", root, _hidden(entries))
    return Folder("", iter(entries), scope, None)


def _files(
    folder: Folder, rules: Rules
) -> Generator[Found | Dropped, None, os.DirEntry[str] | None]:
    """Yield a folder's files up to its next folder, and return that one; None at the end.

    Of a hundred thousand files each line here is a twentieth of a second.
    """
    base, entries, scope, _ = folder
    unruled = folder.reason is None and scope.is_silent
    for entry in entries:
        name = entry.name
        if name == ".git":
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:  # it went away, or its name is too long
            mode = size = 0
        else:
            mode, size = found.st_mode, found.st_size
        if stat.S_ISDIR(mode):
            return entry
        path = base + (name if name.isascii() else readable(name))
        if unruled and stat.S_ISREG(mode):
            yield Found(path, entry.path, 0.0, NONE, size)
        elif (reason := _file_reason(folder, path, mode, rules)) is not None:
            yield Dropped(path, reason)
        else:
            yield Found(path, entry.path, scope.changed(path), scope.pardoned(path), size)
    return None


def _scope_of(root: Path, since: float) -> Scope:
    whole = root.resolve()
    checkout = checkout_around(whole)
    if checkout is None:
        return Scope()
    inside = readable(whole.relative_to(checkout.top).as_posix()) + "/"
    return Scope("", checkout, "" if inside == "./" else inside, since)


def _enter(above: Folder, entry: os.DirEntry[str], since: float, *, git: bool) -> Folder | Dropped:
    """Open a folder and read its own rules; say so when it cannot be listed."""
    path, scope = f"{above.path}{readable(entry.name)}/", above.scope
    reason = above.reason or _folder_reason(entry.name, path, scope)
    entries = _list(entry.path)
    if entries is None:
        return Dropped(path, reason or DropReason.UNREADABLE)
    if reason is None and (hidden := _hidden(entries)):
        folder = Path(entry.path)
        own = scope.checkout is None or scope.is_submodule(path)
        checkout = find_checkout(folder) if git and own and ".git" in hidden else None
        if checkout is not None:
            scope = Scope(path, checkout, "", since)
        scope.enter(path, folder, hidden)
    return Folder(path, iter(entries), scope, reason)


def _list(folder: str) -> list[os.DirEntry[str]] | None:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return None


def _hidden(entries: list[os.DirEntry[str]]) -> frozenset[str]:
    """Return the names that begin with a dot; small, as some disks do not tell .Git from .git."""
    return frozenset(entry.name.lower() for entry in entries if entry.name[0] == ".")


def _folder_reason(name: str, path: str, scope: Scope) -> DropReason | None:
    if scope.leaves_out(path):
        return DropReason.IGNORED
    return DropReason.VENDORED if VENDORED_FOLDERS.fullmatch(name) else None


def _file_reason(folder: Folder, path: str, mode: int, rules: Rules) -> DropReason | None:
    """Return why a file is left out; `mode` is 0 where the system tells nothing of it."""
    scope, inherited = folder.scope, folder.reason
    if not stat.S_ISREG(mode):  # a pipe would wait for ever
        return inherited or (DropReason.LINK if stat.S_ISLNK(mode) else DropReason.UNREADABLE)
    if rules.forces(path):
        return None
    if inherited is not None and inherited not in scope.pardoned(path):
        return inherited
    return scope.reason(path)
