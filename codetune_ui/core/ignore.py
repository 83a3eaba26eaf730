"""Patterns as in .gitignore: of nested files in a tree, and as a person types them.

A scanned repository's own configuration can make git run programs, so git itself is never run; on
trees with nested files and negations pathspec answers as git does.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

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

    def add(self, folder: str, text: str) -> None:
        """Take the lines of one folder's ignore files; folder: "" for the root, else "src/"."""
        if text.strip():
            self._specs[folder] = read_patterns(text.splitlines())[0]

    def ignores(self, path: str) -> bool:
        """Return whether a path is left out; a folder's ends with "/". What is inside one is too.

        >>> rules = IgnoreRules()
        >>> rules.add("", "build/\\n*.log\\n!keep.log")
        >>> [rules.ignores(path) for path in ("build/keep.log", "a.log", "sub/keep.log")]
        [True, True, False]
        """
        for place in _folders_above(path):
            if place not in self._folders:
                self._folders[place] = self._names(place)
            if self._folders[place]:
                return True
        return self._names(path)

    def _names(self, path: str) -> bool:
        """Ask the deepest file that speaks of this very path."""
        for folder in ["", *_folders_above(path)][::-1]:
            spec = self._specs.get(folder)
            verdict = spec.check_file(path.removeprefix(folder)).include if spec else None
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
