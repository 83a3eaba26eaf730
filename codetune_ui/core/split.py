"""Train and held-out: by the hash of a group's name, as much as the data allows, or by time.

A group is a repository or a directory, so that near-copies do not sit on both sides. Where there
are too few groups for a fair share, the next finer level is taken, down to single files. A group's
side follows from its name alone: neither order nor seed nor other files move it, as long as the
level and the share stay the same (the share halves each time a large source doubles).

By time, the files that git saw change on a day or later are held out: what the model is measured
on is then younger than all it was taught.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

from codetune_ui.core.config import Config
from codetune_ui.core.errors import SourceError
from codetune_ui.core.history import day_of, seconds_of

FEWEST_DOCUMENTS = 2
FEWEST_CHARACTERS = 100
FEWEST_GROUPS = 20  # with fewer, one group more or less moves the share too far
NEAR = (0.5, 1.5)  # of the wanted share: what chance may make of it
SHARE = 0.2
MOST_WINDOWS = 300  # held-out code beyond this costs time and tells no more
CHARACTERS_PER_TOKEN = 3.5


class Placed(Protocol):
    """What decides a document's side: a `Document`, or what stands for one that lies on disk."""

    @property
    def path(self) -> str:
        """Relative, with "/" between."""

    @property
    def group(self) -> str:
        """What should stay on one side."""

    @property
    def size(self) -> int:
        """Length in characters."""

    @property
    def changed(self) -> float:
        """When git last saw it change, in seconds since 1970; 0 unknown."""


Key = Callable[[Placed], str]
T = TypeVar("T", bound=Placed)


@dataclass(frozen=True)
class Split:
    """Which group of a document decides its side, and which groups are held out."""

    key: Key
    share: float
    chosen: frozenset[str] | None = None
    """Named groups, where a share of the hashes would be too coarse."""
    after: float = 0.0
    """By time: hold out what changed then or later (seconds since 1970); 0 is by group."""

    def holds_out(self, document: Placed) -> bool:
        """Return the side of any document, also of one that came after the choice was made."""
        if self.after:
            return document.changed >= self.after
        name = self.key(document)
        return name in self.chosen if self.chosen is not None else _place_again(name) < self.share

    def frozen(self, documents: Iterable[Placed]) -> Split:
        """Return the split that holds out no other groups than it does among these documents.

        For a stream whose first documents give enough to measure on: a group that was met stays
        on its side, and every group that comes later is trained on.
        """
        met = {self.key(document) for document in documents if self.holds_out(document)}
        return Split(self.key, self.share, frozenset(met))


def split_documents(documents: Sequence[T], config: Config) -> tuple[list[T], list[T]]:
    """Return (train, held-out), both in the given order; `SourceError` when there is too little."""
    split = choose_split(documents, config)
    train = [document for document in documents if not split.holds_out(document)]
    val = [document for document in documents if split.holds_out(document)]
    return train, val


def choose_split(documents: Sequence[Placed], config: Config, share: float | None = None) -> Split:
    """Take the coarsest level of groups whose held-out share comes near the wanted one.

    `share` is the wanted one of these documents, where they are only the first of more.
    """
    characters = sum(document.size for document in documents)
    _check_enough(documents, characters)
    if config.held_out_after:
        return _by_time(documents, config.held_out_after)
    share = share or held_out_share(characters, config)
    sizes: dict[str, int] = {}
    for key in _levels(documents):
        sizes = _sizes(documents, key)
        by_hash = sum(size for name, size in sizes.items() if place_of(name) < share)
        near = NEAR[0] <= by_hash / (share * characters) <= NEAR[1]
        if near and len(sizes) >= FEWEST_GROUPS:
            return Split(key, share)
    return Split(_path, share, _choose(sizes, share * characters))


def _by_time(documents: Sequence[Placed], date: str) -> Split:
    """Hold out what changed since a day; `SourceError` when that is nothing, all, or unknown."""
    undated = next((document for document in documents if not document.changed), None)
    if undated is not None:
        raise SourceError(
            f"'{undated.path}' has no git history that would say when it changed.",
            "Empty 'Held out by time', or give git checkouts or git URLs only.",
        )
    after = seconds_of(date)
    times = [document.changed for document in documents]
    held_out = sum(changed >= after for changed in times)
    if not held_out:
        raise SourceError(
            f"No file has changed on or after {date}.",
            f"The newest commit is of {day_of(max(times))}: choose that day or an earlier one.",
        )
    if held_out == len(documents):
        raise SourceError(
            f"Every file has changed on or after {date}, so that none is left to train on.",
            f"The files changed between {day_of(min(times))} and {day_of(max(times))}: "
            "choose a later day.",
        )
    return Split(_path, held_out / len(documents), after=after)


def held_out_share(characters: int, config: Config) -> float:
    """Return the wanted share: a fifth of a small source, some hundred windows of a large one.

    >>> held_out_share(100_000, Config()), held_out_share(100_000_000, Config())
    (0.2, 0.0125)
    """
    if config.held_out_share:
        return config.held_out_share
    most = MOST_WINDOWS * config.max_seq_len * CHARACTERS_PER_TOKEN
    # in steps of two, so that one file more does not move the border
    halvings = math.ceil(math.log2(max(1.0, SHARE * characters / most)))
    return SHARE / float(2**halvings)


def _check_enough(documents: Sequence[Placed], characters: int) -> None:
    if len(documents) >= FEWEST_DOCUMENTS and characters >= FEWEST_CHARACTERS:
        return
    have = f"{len(documents):,} file{'' if len(documents) == 1 else 's'}"
    raise SourceError(
        f"There is too little code to train on some and measure on the rest: {have} kept, "
        f"{characters:,} characters.",
        f"Give at least {FEWEST_DOCUMENTS} files that differ, and {FEWEST_CHARACTERS} characters.",
    )


def _levels(documents: Sequence[Placed]) -> list[Key]:
    """Return the ways to group, the coarsest first: repository, directories, files."""
    deepest = max(document.path.count("/") for document in documents)
    coarsest = min(document.group.count("/") for document in documents) + 2
    return [_group, *(_folder(depth) for depth in range(coarsest, deepest + 1)), _path]


def _group(document: Placed) -> str:
    return document.group


def _path(document: Placed) -> str:
    return document.path


def _folder(depth: int) -> Key:
    def key(document: Placed) -> str:
        return "/".join(document.path.split("/")[:-1][:depth]) or document.path

    return key


def _sizes(documents: Sequence[Placed], key: Key) -> dict[str, int]:
    sizes: dict[str, int] = defaultdict(int)
    for document in documents:
        sizes[key(document)] += document.size
    return sizes


def _choose(sizes: Mapping[str, int], wanted: float) -> frozenset[str]:
    """Pick files in the order of their hash until `wanted` characters are held out.

    At least one is picked and at least one is left; one that overshoots by half is passed by.
    """
    chosen: set[str] = set()
    taken = 0
    for name in sorted(sizes, key=place_of):
        if taken >= wanted or len(chosen) == len(sizes) - 1:
            break
        if taken + sizes[name] <= NEAR[1] * wanted:
            chosen.add(name)
            taken += sizes[name]
    return frozenset(chosen or {min(sizes, key=lambda name: (sizes[name], place_of(name)))})


def place_of(name: str) -> float:
    """Return a number from 0 to 1 that depends on the name only.

    >>> round(place_of("src"), 4)
    0.7793
    """
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


# of groups: each is asked for once a file
_place_again = lru_cache(maxsize=10_000)(place_of)
