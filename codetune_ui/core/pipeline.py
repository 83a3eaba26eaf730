"""The data's way up to the split, as one stream in which nothing vanishes.

Clean, then secrets, then exact and near copies, in the order in which the files come. The scanner
of secrets works on batches in threads of its own while the copies of the batch before are looked
up; the first batch is small, so that its files are shown at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from codetune_ui.core import secrets
from codetune_ui.core.clean import NameRules, TextRules, name_rules, text_rules
from codetune_ui.core.config import Config
from codetune_ui.core.dedup import SeenTexts
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.redact import apply_policy

if TYPE_CHECKING:
    from codetune_ui.core.near import NearIndex

Item = Document | Dropped
FIRST_BATCH, BATCH = 100, 500  # items
BATCH_CHARACTERS = 2_000_000


def collect(
    found: Iterable[Item], config: Config, on_read: Callable[[Item], None] | None = None
) -> Iterator[Item]:
    """Clean and deduplicate a source; every item that goes in comes out, kept or dropped.

    No two that come out have the same path: a table may name one twice. After `max_documents` kept
    ones the rest of the source is not read. Raises `ConfigError` at once for a setting that names
    no language or licence. `on_read` is told of each item as soon as it is read and cleaned: the
    scanner of secrets, at its very first start on a machine, keeps the first ones waiting.
    """
    secrets.warm()  # while the first files are read
    way = _Way(config, on_read)
    return way.through(iter(found))


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


class _Way:
    """One pass over a source: its settings, and what it has seen so far."""

    def __init__(self, config: Config, on_read: Callable[[Item], None] | None) -> None:
        self.config = config
        self.on_read = on_read or (lambda _: None)
        self.names = Names()
        self.forced: NameRules = name_rules(config.include, config.exclude, config.force_in)
        self.rules: TextRules = text_rules(config.languages, config.licences)
        self.seen = SeenTexts()
        self.near: NearIndex | None = None
        self.kept = 0
        self.failed: CodeTuneError | None = None

    def through(self, found: Iterator[Item]) -> Iterator[Item]:
        size = FIRST_BATCH
        while batch := self._batch(found, size):
            for item, forced in self._without_secrets(batch):
                out = item if isinstance(item, Dropped) else self._unless_seen(item, forced)
                self.kept += isinstance(out, Document)
                yield out
            size = BATCH
        if self.failed:
            raise self.failed

    def _batch(self, found: Iterator[Item], size: int) -> list[tuple[Item, bool]]:
        """Read and clean some items, with whether each is forced; empty at the end."""
        most = self.config.max_documents
        batch: list[tuple[Item, bool]] = []
        documents = characters = 0
        while len(batch) < size and characters < BATCH_CHARACTERS:
            if most and self.kept + documents >= most:
                break  # should one of these drop, the next batch reads on
            if (item := self._next(found)) is None:
                break
            batch.append(self._cleaned(item))
            clean = batch[-1][0]
            self.on_read(clean)
            if isinstance(clean, Document):
                documents += 1
                characters += len(clean.text)
        return batch

    def _next(self, found: Iterator[Item]) -> Item | None:
        try:
            return None if self.failed else next(found, None)
        except CodeTuneError as error:  # what was read before it still comes out
            self.failed = error
            return None

    def _cleaned(self, item: Item) -> tuple[Item, bool]:
        forced = self.forced.forces(item.path)
        named = replace(item, path=self.names.unused(item.path))
        if isinstance(named, Dropped):
            return named, forced
        reason, detail = self.rules.reason(named, forced=forced)
        if reason is None:
            return named, forced
        return Dropped(named.path, reason, named.language, detail), forced

    def _without_secrets(self, batch: list[tuple[Item, bool]]) -> Iterator[tuple[Item, bool]]:
        documents = [item for item, _ in batch if isinstance(item, Document)]
        done = iter(apply_policy(documents, self.config.secrets))
        for item, forced in batch:
            yield (next(done) if isinstance(item, Document) else item), forced

    def _unless_seen(self, document: Document, forced: bool) -> Item:
        reason, detail = None, ""
        if first := self.seen.first_path(document.text, document.path):
            reason, detail = DropReason.DUPLICATE, f"of {first}"
        elif like := self._first_like(document):
            # 99.9 % is not "100 % alike"
            reason = DropReason.NEAR_DUPLICATE
            detail = f"of {like[0]}, {int(like[1] * 100)} % alike"
        if reason is None or forced:
            return document
        return Dropped(document.path, reason, document.language, detail, document.findings)

    def _first_like(self, document: Document) -> tuple[str, float] | None:
        if self.config.near_duplicates >= 1:
            return None
        if self.near is None:
            # loads numpy: not before the first files are told of
            from codetune_ui.core.near import NearIndex

            self.near = NearIndex(self.config.near_duplicates)
        return self.near.first_like(document.text, document.path)
