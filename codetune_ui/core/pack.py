"""Best-fit rows of whole examples, their lengths, and their form on disk."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.errors import ConfigError

IGNORE_INDEX = -100
BUFFER = 512  # examples that are packed together; more fill no better and wait longer
FIRST_BUFFER = 32  # so that the first row comes soon; each buffer is twice the one before

_ID = np.uint32((1 << 29) - 1)
_STARTS = np.uint32(1 << 30)
_LEARNS = np.uint32(1 << 31)


class Packable(Protocol):
    """What packing needs to know of an example."""

    @property
    def ids(self) -> Sequence[int] | NDArray[np.int32]:
        """Tokens."""

    @property
    def labels(self) -> Sequence[int] | NDArray[np.int32]:
        """The same token where it carries loss, else -100."""


@dataclass(frozen=True, eq=False)
class Row:
    """One packed sequence of S tokens.

    ids          (S,) int32
    labels       (S,) int32, -100 where a token carries no loss
    seq_lengths  lengths of the examples in order, the tail padding as the last; they sum to S
    """

    ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    seq_lengths: tuple[int, ...]


def pack(examples: Iterable[Packable], max_seq_len: int, pad_id: int) -> Iterator[Row]:
    """Lay whole examples into rows, best fit first; no token of any example is dropped.

    Examples are packed in buffers, so memory stays bounded and a row comes before the last
    example has been read. The least filled rows of a buffer go back into the next one.
    """
    buffer: list[Packable] = []
    most = FIRST_BUFFER
    for example in examples:
        if len(example.ids) > max_seq_len:
            raise ConfigError(
                f"An example of {len(example.ids)} tokens does not fit a row of {max_seq_len}.",
                "Raise the sequence length.",
                field="max_seq_len",
            )
        if len(example.ids):
            buffer.append(example)
        if len(buffer) >= most:
            ready, buffer = _emit(buffer, max_seq_len, keep=most // 4)
            most = min(2 * most, BUFFER)
            yield from (_row(members, max_seq_len, pad_id) for members in ready)
    ready, _ = _emit(buffer, max_seq_len, keep=0)
    yield from (_row(members, max_seq_len, pad_id) for members in ready)


def _emit(
    buffer: list[Packable], capacity: int, keep: int
) -> tuple[list[list[Packable]], list[Packable]]:
    """Return the fullest rows, in order of arrival, and at most `keep` examples left for later."""
    bins = best_fit([len(example.ids) for example in buffer], capacity)
    filled = sorted(bins, key=lambda members: -sum(len(buffer[i].ids) for i in members))
    kept: list[int] = []
    while filled and len(kept) + len(filled[-1]) <= keep:
        kept += filled.pop()
    ready = [[buffer[i] for i in members] for members in sorted(filled, key=min)]
    return ready, [buffer[i] for i in sorted(kept)]


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Group indices by best-fit decreasing: each length goes where it leaves the least room.

    >>> best_fit([3, 6, 4, 7], capacity=10)
    [[3, 0], [1, 2]]
    """
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # (room left, bin), ascending
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        place = bisect.bisect_left(rooms, (lengths[index], -1))
        if place == len(rooms):
            room, chosen = capacity, len(bins)
            bins.append([])
        else:
            room, chosen = rooms.pop(place)
        bins[chosen].append(index)
        bisect.insort(rooms, (room - lengths[index], chosen))
    return bins


def _row(members: Sequence[Packable], max_seq_len: int, pad_id: int) -> Row:
    ids = np.full(max_seq_len, pad_id, dtype=np.int32)
    labels = np.full(max_seq_len, IGNORE_INDEX, dtype=np.int32)
    place = 0
    for example in members:
        end = place + len(example.ids)
        ids[place:end] = example.ids
        labels[place:end] = example.labels
        place = end
    lengths = [len(example.ids) for example in members]
    return Row(
        ids, labels, tuple(lengths if place == max_seq_len else [*lengths, max_seq_len - place])
    )


def position_ids(row: Row) -> NDArray[np.int32]:
    """Return (S,) places that start again at 0 with every example."""
    lengths = np.asarray(row.seq_lengths, dtype=np.int32)
    starts = np.cumsum(lengths) - lengths
    return (np.arange(len(row.ids)) - np.repeat(starts, lengths)).astype(np.int32)


def fill_ratio(row: Row) -> float:
    """Return the share of a row that is not padding, given that examples carry loss.

    Padding is the last sequence when nothing in it carries loss.
    """
    tail = row.seq_lengths[-1]
    padded = bool((row.labels[-tail:] == IGNORE_INDEX).all())
    return 1.0 - tail / len(row.ids) if padded else 1.0


def to_words(row: Row) -> NDArray[np.uint32]:
    """Write a row as (S,) words, its form on disk.

    bits 0-28 the token, bit 30 the first token of an example, bit 31 carries loss
    """
    words = row.ids.astype(np.uint32)
    words[row.labels != IGNORE_INDEX] |= _LEARNS
    words[_starts(row.seq_lengths)] |= _STARTS
    return words


def from_words(words: NDArray[np.uint32]) -> Row:
    """Read a row back from its words."""
    ids = (words & _ID).astype(np.int32)
    labels = np.where(words & _LEARNS, ids, np.int32(IGNORE_INDEX)).astype(np.int32)
    starts = np.flatnonzero(words & _STARTS)
    lengths = np.diff(np.append(starts, len(words)))
    return Row(ids, labels, tuple(int(length) for length in lengths))


def marked(ids: Sequence[int], labels: Sequence[int]) -> NDArray[np.uint32]:
    """Write one example as words, without a mark of where it begins."""
    words = np.asarray(ids, dtype=np.uint32)
    words[np.asarray(labels, dtype=np.int32) != IGNORE_INDEX] |= _LEARNS
    return words


class Unmarked:
    """An example read back from its words."""

    def __init__(self, words: NDArray[np.uint32]) -> None:
        self.ids: NDArray[np.int32] = (words & _ID).astype(np.int32)
        self.labels: NDArray[np.int32] = np.where(words & _LEARNS, self.ids, np.int32(IGNORE_INDEX))


def _starts(lengths: Sequence[int]) -> NDArray[np.int64]:
    sizes = np.asarray(lengths, dtype=np.int64)
    return np.cumsum(sizes) - sizes
