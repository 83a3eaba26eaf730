"""Near-copies: candidates by MinHash, each checked by the Jaccard of its runs of five words.

Words are runs of letters, digits, "_" and what is beyond ASCII; a file is the set of all its runs
of five (The Stack's measure), the comments at its head left out: they are licences, which made
small files alike. The sketch is one-permutation MinHash (Li 2012) with the empty bins
filled as in Shrivastava 2017; all in numpy, without chance, the same on every machine.

Memory: at most 4 kB a file for the check, and 1.8 kB for the index; it does not grow with the
length of a file. Files of up to 1,024 runs (some 6 kB of code) are compared exactly, longer ones on
a sample of 1,024, whose error is 1.3 points at 0.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RUN = 5
FEWEST_RUNS = 12  # below, one changed word decides; such files are compared exactly only
MOST_RUNS = 1024
BANDS, ROWS = 18, 5  # finds 99.9 % of the pairs at 0.8 and 96 % at 0.7
BINS = BANDS * ROWS
AT_ONCE = 16  # attempts of an empty bin
STEP = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse
MIX = np.uint64(0xD6E8FEB86659FD93)

PIECE = 1 << 20
HEAD = re.compile(r"(?:\s|(?:#|//|--|;|%)[^\n]*|/\*[\s\S]*?\*/|<!--[\s\S]*?-->)*")

Words = NDArray[np.uint64]
Runs = NDArray[np.uint32]
NO_WORDS: Words = np.empty(0, np.uint64)


@dataclass(frozen=True, eq=False, slots=True)
class Sketch:
    """What a text's near-copies are known by: its smallest runs, how many it has, its keys."""

    runs: Runs
    size: int
    keys: list[int]


class NearIndex:
    """Remembers a sketch of each text; the answer depends on the order they come in only."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._runs: list[Runs] = []
        self._sizes: list[int] = []
        self._paths: list[str] = []
        self._bands: list[dict[int, int]] = [{} for _ in range(BANDS)]

    def first_like(self, text: str, path: str) -> tuple[str, float] | None:
        """Return the most alike text before and how much, from `threshold`; else remember this.

        >>> index, text = NearIndex(0.8), " ".join(f"word{n} =" for n in range(100))
        >>> index.first_like(text, "a.py"), index.first_like(text + " more", "b.py")
        (None, ('a.py', 0.98...))
        """
        sketch = sketch_of(text)
        return None if sketch is None else self.first_like_sketch(sketch, path)

    def first_like_sketch(self, sketch: Sketch, path: str) -> tuple[str, float] | None:
        """Do what `first_like` does with a text that somebody else has read."""
        best = max(
            ((self._likeness(sketch, other), -other) for other in self._candidates(sketch.keys)),
            default=(0.0, 0),
        )
        if best[0] >= self.threshold:
            return self._paths[-best[1]], best[0]
        self._add(sketch, path)
        return None

    def _candidates(self, keys: list[int]) -> set[int]:
        found = (band.get(key) for band, key in zip(self._bands, keys, strict=True))
        return {number for number in found if number is not None}

    def _likeness(self, sketch: Sketch, other: int) -> float:
        sizes = sketch.size, self._sizes[other]
        if min(sizes) < self.threshold * max(sizes):  # not even if the one holds all of the other
            return 0.0
        return jaccard(sketch.runs, self._runs[other])

    def _add(self, sketch: Sketch, path: str) -> None:
        number = len(self._paths)
        self._paths.append(path)
        self._sizes.append(sketch.size)
        self._runs.append(sketch.runs.copy())  # a view would hold the whole
        for band, key in zip(self._bands, sketch.keys, strict=True):
            band.setdefault(key, number)


def sketch_of(text: str) -> Sketch | None:
    """Return a text's sketch; None for one that is too short to have near-copies.

    >>> sketch_of("too short") is None
    True
    """
    runs = runs_of(text)
    if len(runs) < FEWEST_RUNS:
        return None
    return Sketch(runs[:MOST_RUNS], len(runs), _bands(runs))


def shared_keys(columns: Iterable[Words]) -> NDArray[np.bool_]:
    """Say which texts have a key in common with another; a column holds one key of each text.

    All others are like no text, and no text is like them: they need no index.

    >>> shared_keys([np.array([7, 8, 7], np.uint64), np.array([1, 2, 3], np.uint64)]).tolist()
    [True, False, True]
    """
    shared = np.zeros(0, bool)
    for column in columns:
        shared = shared if len(shared) else np.zeros(len(column), bool)
        order = np.argsort(column, kind="stable")
        same = np.flatnonzero(column[order[1:]] == column[order[:-1]])
        shared[order[same]] = shared[order[same + 1]] = True
    return shared


def jaccard(one: Runs, other: Runs) -> float:
    """Return the share of runs that two texts have in common, from their smallest hashes.

    >>> jaccard(np.array([1, 2, 3], np.uint32), np.array([2, 3, 4], np.uint32))
    0.5
    """
    both = np.union1d(one, other)[:MOST_RUNS]
    common = np.intersect1d(one, other, assume_unique=True)
    return float(np.count_nonzero(common <= both[-1]) / len(both)) if len(both) else 0.0


def runs_of(text: str) -> Runs:
    """Return the hashes of a text's runs of five words, sorted, each once.

    >>> len(runs_of("a b c d e f")), len(runs_of("too short"))
    (2, 0)
    """
    head = HEAD.match(text)
    data = text[head.end() if head else 0 :].encode("utf-8", "surrogatepass")
    pieces = range(0, len(data), PIECE)  # a word cut in two by a border is two words
    words = np.concatenate([word_hashes(data[at : at + PIECE]) for at in pieces] or [NO_WORDS])
    if len(words) < RUN:
        return np.empty(0, np.uint32)
    run = words[: len(words) - RUN + 1].copy()
    for place in range(1, RUN):
        run = run * STEP + words[place : len(words) - RUN + 1 + place]
    hashes = (_mixed(run) >> np.uint64(32)).astype(np.uint32)
    hashes.sort()  # np.unique takes three times as long
    new = np.append(True, hashes[1:] != hashes[:-1])
    runs: Runs = hashes[new]
    return runs


def word_hashes(data: bytes) -> Words:
    """Return a hash of each word, in order; at most `PIECE` bytes at a time.

    A word's hash is a difference of two sums over the whole text, so no loop touches a word.
    """
    letters = np.frombuffer(data, np.uint8)
    inside = _is_letter()[letters]
    padded = np.zeros(len(letters) + 2, bool)
    padded[1:-1] = inside
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    starts, ends = edges[::2], edges[1::2]
    powers, inverse = _powers()
    sums = np.zeros(len(letters) + 1, np.uint64)
    # one more than the byte, so that a NUL counts
    np.cumsum((letters.astype(np.uint64) + np.uint64(1)) * powers[: len(letters)], out=sums[1:])
    return _mixed((sums[ends] - sums[starts]) * inverse[starts])


def _mixed(values: Words) -> Words:
    values = (values ^ (values >> np.uint64(32))) * MIX
    values = (values ^ (values >> np.uint64(29))) * STEP
    return values ^ (values >> np.uint64(32))


@lru_cache(maxsize=1)
def _is_letter() -> NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[128:] = True
    word = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
    table[list(word)] = True
    return table


@lru_cache(maxsize=1)
def _powers() -> tuple[Words, Words]:
    """Return the powers of `STEP` and of its inverse modulo 2**64: 16 MB, once a process."""
    bases = (int(STEP), pow(int(STEP), -1, 1 << 64))
    both = [np.full(PIECE + 1, base, np.uint64) for base in bases]
    for powers in both:
        powers[0] = 1
        np.cumprod(powers, out=powers)
    return both[0], both[1]


def _bands(runs: Runs) -> list[int]:
    """Return the index keys of a text: the smallest hash of each bin, by fives."""
    edges = np.searchsorted(runs, _bin_edges())
    full = np.append(edges[1:], len(runs)) > edges
    source = np.arange(BINS)
    empty = np.flatnonzero(~full)  # borrows from one that its number chooses, and so on
    lenders = _lenders()[:, empty]
    source[empty] = lenders[full[lenders].argmax(axis=0), np.arange(len(empty))]
    attempt = AT_ONCE
    while not full[source].all():
        source = np.where(full[source], source, _borrowed(attempt))
        attempt += 1
    sketch = runs[edges[source]].astype(np.uint64).reshape(BANDS, ROWS)
    keys = sketch[:, 0]
    for row in range(1, ROWS):
        keys = _mixed(keys) + sketch[:, row]
    return [int(key) for key in keys]


@lru_cache(maxsize=1)
def _bin_edges() -> Runs:
    return (np.arange(BINS, dtype=np.uint64) * np.uint64(1 << 32) // np.uint64(BINS)).astype(
        np.uint32
    )


@lru_cache(maxsize=1)
def _lenders() -> NDArray[np.intp]:
    """Return the first attempts of all bins: a short text needs a dozen, one by one a while."""
    return np.stack([_borrowed(attempt) for attempt in range(AT_ONCE)])


@lru_cache(maxsize=4096)
def _borrowed(attempt: int) -> NDArray[np.intp]:
    numbers = np.arange(BINS, dtype=np.uint64) + np.uint64(BINS * (attempt + 1))
    return (_mixed(numbers * STEP) % np.uint64(BINS)).astype(np.intp)
