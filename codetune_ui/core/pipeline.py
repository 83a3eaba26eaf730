"""The data's way up to the split, as one stream in which nothing vanishes, and its report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from codetune_ui.core.clean import reason_by_text
from codetune_ui.core.config import Config
from codetune_ui.core.dedup import SeenTexts
from codetune_ui.core.document import Document, Dropped, DropReason


def collect(found: Iterable[Document | Dropped], config: Config) -> Iterator[Document | Dropped]:
    """Clean and deduplicate a source; every item that goes in comes out, kept or dropped.

    No two that come out have the same path: a table may name one twice. After `max_documents` kept
    ones the rest of the source is not read.
    """
    seen, names, kept = SeenTexts(), Names(), 0
    for item in found:
        named = replace(item, path=names.unused(item.path))
        out = named if isinstance(named, Dropped) else _keep_or_drop(named, seen)
        yield out
        kept += isinstance(out, Document)
        if config.max_documents and kept >= config.max_documents:
            return


class Names:
    """Gives every path once; a repeated one gets a number."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unused(self, path: str) -> str:
        """Return the path, or the first free "path (2)", "path (3)" …

        >>> names = Names()
        >>> [names.unused(path) for path in ("a.py", "a.py", "a.py")]
        ['a.py', 'a.py (2)', 'a.py (3)']
        """
        free, number = path, 1
        while free in self._taken:
            number += 1
            free = f"{path} ({number})"
        self._taken.add(free)
        return free


def _keep_or_drop(document: Document, seen: SeenTexts) -> Document | Dropped:
    if reason := reason_by_text(document):
        return Dropped(document.path, reason, document.language)
    if first := seen.first_path(document.text, document.path):
        reason = DropReason.DUPLICATE
        return Dropped(document.path, reason, document.language, f"of {first}")
    return document
