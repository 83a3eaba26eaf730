"""The data's way up to the split, as one stream in which nothing vanishes.

Clean, then secrets, then exact and near copies, in the order in which the files come. The scanner
of secrets works on batches in threads of its own while the copies of the batch before are looked
up; the first batch is small, so that its files are shown at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from codetune_ui.core import secrets
from codetune_ui.core.clean import NameRules, TextRules, name_rules, text_rules
from codetune_ui.core.config import Config
from codetune_ui.core.dedup import SeenTexts, text_hash
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.redact import apply_policy

if TYPE_CHECKING:
    from codetune_ui.core.near import NearIndex, Sketch

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


class Cleaning:
    """What is decided of a file by itself: by its text, and by the secrets in it."""

    def __init__(self, config: Config) -> None:
        self.forced: NameRules = name_rules(config.include, config.exclude, config.force_in)
        self.rules: TextRules = text_rules(config.languages, config.licences)
        self.secrets = config.secrets

    def clean(self, item: Item) -> tuple[Item, bool]:
        """Return a file, or why it is dropped, and whether a person forces it in."""
        forced = self.forced.forces(item.path)
        if isinstance(item, Dropped):
            return item, forced
        reason, detail = self.rules.reason(item, forced=forced)
        if reason is None:
            return item, forced
        return Dropped(item.path, reason, item.language, detail), forced

    def without_secrets(self, batch: list[tuple[Item, bool]]) -> Iterator[tuple[Item, bool]]:
        """Look for secrets in the files of a batch that are not dropped."""
        documents = [item for item, _ in batch if isinstance(item, Document)]
        done = iter(apply_policy(documents, self.secrets))
        for item, forced in batch:
            yield (next(done) if isinstance(item, Document) else item), forced


class Copies:
    """What is decided of a file by those before it: its name, and whether it is a copy."""

    def __init__(self, config: Config) -> None:
        self.names = Names()
        self.seen = SeenTexts()
        self.threshold = config.near_duplicates
        self.near: NearIndex | None = None

    def named(self, item: Item) -> Item:
        """Return the file under a path that none before it has."""
        return replace(item, path=self.names.unused(item.path))

    def unless_seen(self, document: Document, forced: bool) -> Item:
        """Return the file, or why it is dropped, of which copies are asked; remember it."""
        text = document.text
        reason, detail = self.reason(text_hash(text), document.path, partial(_sketch_of, text))
        if reason is None or forced:
            return document
        return Dropped(document.path, reason, document.language, detail, document.findings)

    def reason(
        self, key: bytes, path: str, sketch: Callable[[], Sketch | None]
    ) -> tuple[DropReason | None, str]:
        """Say of which text this is a copy, told by its hash and its sketch."""
        if first := self.seen.first_path_of(key, path):
            return DropReason.DUPLICATE, f"of {first}"
        if like := self._first_like(path, sketch):
            # 99.9 % is not "100 % alike"
            return DropReason.NEAR_DUPLICATE, f"of {like[0]}, {int(like[1] * 100)} % alike"
        return None, ""

    def _first_like(
        self, path: str, sketch: Callable[[], Sketch | None]
    ) -> tuple[str, float] | None:
        if self.threshold >= 1:
            return None
        if self.near is None:
            # loads numpy: not before the first files are told of
            from codetune_ui.core.near import NearIndex

            self.near = NearIndex(self.threshold)
        found = sketch()
        return None if found is None else self.near.first_like_sketch(found, path)


def _sketch_of(text: str) -> Sketch | None:
    from codetune_ui.core.near import sketch_of

    return sketch_of(text)


def clean_alone(found: Iterable[Item], config: Config) -> Iterator[tuple[Item, bool]]:
    """Clean a part of a source; copies, and paths that are met twice, are left for later.

    With each file it is said whether a person forces it in.
    """
    secrets.warm()
    cleaning = Cleaning(config)
    batch: list[tuple[Item, bool]] = []
    characters = 0
    for item in found:
        batch.append(cleaning.clean(item))
        characters += len(item.text) if isinstance(item, Document) else 0
        if len(batch) == BATCH or characters >= BATCH_CHARACTERS:
            yield from cleaning.without_secrets(batch)
            batch, characters = [], 0
    yield from cleaning.without_secrets(batch)


class _Way:
    """One pass over a source: its settings, and what it has seen so far."""

    def __init__(self, config: Config, on_read: Callable[[Item], None] | None) -> None:
        self.config = config
        self.on_read = on_read or (lambda _: None)
        self.cleaning = Cleaning(config)
        self.copies = Copies(config)
        self.kept = 0
        self.failed: CodeTuneError | None = None

    def through(self, found: Iterator[Item]) -> Iterator[Item]:
        size = FIRST_BATCH
        while batch := self._batch(found, size):
            for item, forced in self.cleaning.without_secrets(batch):
                out = item
                if isinstance(item, Document):
                    out = self.copies.unless_seen(item, forced)
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
            clean, forced = self.cleaning.clean(item)
            clean = self.copies.named(clean)
            batch.append((clean, forced))
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
