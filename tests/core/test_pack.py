from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.errors import ConfigError
from codetune_ui.core.pack import (
    IGNORE_INDEX,
    Row,
    best_fit,
    fill_ratio,
    from_words,
    pack,
    position_ids,
    to_words,
)

PAD = 9


@dataclass(frozen=True)
class Piece:
    """An example of n tokens: its number, then places; the first token carries no loss."""

    number: int
    size: int
    ids: list[int] = field(init=False)
    labels: list[int] = field(init=False)

    def __post_init__(self) -> None:
        ids = [self.number * 1000 + place for place in range(self.size)]
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "labels", [IGNORE_INDEX, *ids[1:]])


def unpack(rows: list[Row]) -> list[list[int]]:
    """Return every sequence of every row that is not padding."""
    found = []
    for row in rows:
        place = 0
        for length in row.seq_lengths:
            found.append(row.ids[place : place + length].tolist())
            place += length
    return [ids for ids in found if set(ids) != {PAD}]


def test_whole_examples_fill_a_row_and_padding_is_its_last_sequence() -> None:
    (row,) = pack([Piece(1, 3), Piece(2, 4)], 10, PAD)
    assert row.ids.tolist() == [2000, 2001, 2002, 2003, 1000, 1001, 1002, 9, 9, 9]
    assert row.labels.tolist() == [-100, 2001, 2002, 2003, -100, 1001, 1002, -100, -100, -100]
    assert row.seq_lengths == (4, 3, 3)
    assert fill_ratio(row) == 0.7


def test_a_full_row_has_no_padding() -> None:
    (row,) = pack([Piece(1, 6), Piece(2, 4)], 10, PAD)
    assert row.seq_lengths == (6, 4)
    assert fill_ratio(row) == 1.0


def test_best_fit_leaves_the_least_room() -> None:
    assert best_fit([5, 7, 3, 5], 10) == [[1, 2], [0, 3]]


def test_equal_lengths_keep_their_order() -> None:
    assert best_fit([5, 5, 5, 5], 10) == [[0, 1], [2, 3]]


@given(st.lists(st.integers(0, 40), max_size=60))
def test_no_token_of_any_example_is_lost(sizes: list[int]) -> None:
    pieces = [Piece(number, size) for number, size in enumerate(sizes, 1)]
    rows = list(pack(pieces, 40, PAD))
    assert sorted(unpack(rows)) == sorted(piece.ids for piece in pieces if piece.size)
    assert all(sum(row.seq_lengths) == 40 == len(row.ids) for row in rows)


def test_nothing_is_lost_over_many_buffers() -> None:
    rng = random.Random(0)
    pieces = [Piece(number, rng.randint(1, 100)) for number in range(1, 3000)]
    rows = list(pack(pieces, 100, PAD))
    assert sorted(unpack(rows)) == sorted(piece.ids for piece in pieces)


def test_rows_are_nearly_full_when_there_are_many_examples() -> None:
    rng = random.Random(0)
    sizes = [rng.choice([rng.randint(20, 400), 500]) for _ in range(4000)]
    rows = list(pack([Piece(1, size) for size in sizes], 512, PAD))
    assert sum(sizes) / (len(rows) * 512) > 0.97


def test_a_row_comes_before_the_last_example_was_read() -> None:
    read = 0

    def stream() -> object:
        nonlocal read
        for number in range(5000):
            read += 1
            yield Piece(number, 10)

    next(pack(stream(), 40, PAD))  # type: ignore[arg-type]
    assert read < 1000


def test_an_example_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="11 tokens does not fit a row of 10"):
        list(pack([Piece(1, 11)], 10, PAD))


def test_no_examples_make_no_rows() -> None:
    assert list(pack([], 10, PAD)) == []


def test_positions_start_again_with_every_example() -> None:
    (row,) = pack([Piece(1, 3), Piece(2, 4)], 10, PAD)
    assert position_ids(row).tolist() == [0, 1, 2, 3, 0, 1, 2, 0, 1, 2]
    assert position_ids(row).dtype == np.int32


def test_a_row_on_disk_is_one_word_per_token() -> None:
    row = Row(
        np.array([7, 5, 6, 0], dtype=np.int32),
        np.array([-100, 5, 6, -100], dtype=np.int32),
        (3, 1),
    )
    words = to_words(row)
    assert words.dtype == np.uint32
    assert words.tolist() == [7 | 1 << 30, 5 | 1 << 31, 6 | 1 << 31, 1 << 30]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(0, 2**29 - 1))
@settings(max_examples=50)
def test_a_row_comes_back_from_its_words(sizes: list[int], first: int) -> None:
    ids = ((first + np.arange(sum(sizes))) % (1 << 29)).astype(np.int32)
    labels = np.where(np.arange(len(ids)) % 3 == 0, IGNORE_INDEX, ids).astype(np.int32)
    back = from_words(to_words(Row(ids, labels, tuple(sizes))))
    assert back.ids.tolist() == ids.tolist()
    assert back.labels.tolist() == labels.tolist()
    assert back.seq_lengths == tuple(sizes)


def test_token_zero_can_carry_loss() -> None:
    row = Row(np.array([3, 0], dtype=np.int32), np.array([-100, 0], dtype=np.int32), (2,))
    assert from_words(to_words(row)).labels.tolist() == [-100, 0]
