"""Patterns as in .gitignore: of nested files in a tree, and as a person types them.

A scanned repository's own configuration can make git run programs, so git itself is never run; on
trees with nested files and negations pathspec answers as git does.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import NamedTuple

from pathspec import GitIgnoreSpec

# Later files of one folder overrule earlier ones, as git reads them.
IGNORE_FILES = (".git/info/exclude", ".gitignore", ".codetuneignore")
MOST_BYTES = 1_000_000


def read_patterns(lines: Iterable[str]) -> tuple[GitIgnoreSpec, list[str]]:
    """Return the patterns, and those lines that are none; git skips them silently.

    >>> read_patterns(["*.log", "!"])[1]
    ['!']
    """
    good: list[str] = []
    bad: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # re warns of odd brackets, which git allows
        for line in lines:
            try:
                GitIgnoreSpec.from_lines([line])
            except (ValueError, re.error):
                bad.append(line)
            else:
                good.append(line)
        return GitIgnoreSpec.from_lines(good), bad


class IgnoreRules:
    """The ignore files of one tree. A folder's file must be added before its entries are asked."""

    def __init__(self) -> None:
        self._specs: dict[str, GitIgnoreSpec] = {}
        self._folders: dict[str, bool] = {}
        self._places: dict[str, Place] = {}

    def add(self, folder: str, text: str) -> None:
        """Take the lines of one folder's ignore files; folder: "" for the root, else "src/"."""
        if text.strip():
            self._specs[folder] = read_patterns(text.splitlines())[0]
            self._places.clear()

    def __bool__(self) -> bool:
        return bool(self._specs)

    def ignores(self, path: str) -> bool:
        """Return whether a path is left out; a folder's ends with "/". What is inside one is too.

        >>> rules = IgnoreRules()
        >>> rules.add("", "build/\\n*.log\\n!keep.log")
        >>> [rules.ignores(path) for path in ("build/keep.log", "a.log", "sub/keep.log")]
        [True, True, False]
        """
        if not self._specs:  # most trees, and all files that git tracks
            return False
        folder, slash, _ = path.rstrip("/").rpartition("/")
        place = self._places.get(folder + slash) or self._look_at(folder + slash)
        return place.is_out or _names(path, place.specs)

    def _look_at(self, folder: str) -> Place:
        """Find out once for all files of a folder what their paths have in common."""
        above = [*_folders_above(folder), folder] if folder else []
        for inner, outer in zip(above, ["", *above], strict=False):
            if inner not in self._folders:
                self._folders[inner] = _names(inner, self._speaking(outer))
        is_out = any(self._folders[inner] for inner in above)
        place = self._places[folder] = Place(is_out, self._speaking(folder))
        return place

    def _speaking(self, folder: str) -> list[tuple[str, GitIgnoreSpec]]:
        """Return the rules of a folder and those above it, the deepest first."""
        above = ["", *_folders_above(folder), folder] if folder else [""]
        return [(name, self._specs[name]) for name in reversed(above) if name in self._specs]


class Place(NamedTuple):
    """A folder as its files see it: left out as a whole, and the rules that speak of them."""

    is_out: bool
    specs: list[tuple[str, GitIgnoreSpec]]


def _names(path: str, specs: list[tuple[str, GitIgnoreSpec]]) -> bool:
    """Ask the deepest file that speaks of this very path."""
    for folder, spec in specs:
        verdict = spec.check_file(path.removeprefix(folder)).include
        if verdict is not None:
            return verdict
    return False


def _folders_above(path: str) -> list[str]:
    """Return the folders that a path lies in, the outermost first.

    >>> _folders_above("a/b/c.py"), _folders_above("a/b/")
    (['a/', 'a/b/'], ['a/'])
    """
    parts = path.rstrip("/").split("/")[:-1]
    return ["/".join(parts[: depth + 1]) + "/" for depth in range(len(parts))]
