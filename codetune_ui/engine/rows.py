"""Rows of tokens from the run's dataset folder, as batches for the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from codetune_ui.core.pack import IGNORE_INDEX, Row, fill_ratio, from_words, position_ids
from codetune_ui.engine.seat import Seat

WORD_BYTES = 4
COUNTS = ("tokens", "targets")  # of a batch


class RowFile(Dataset[Row]):
    """Rows in a file of words (see `core.pack.to_words`), some of which may not be written yet.

    `wait(rows)` returns when that many rows are on disk, and raises when they never will be.
    """

    def __init__(
        self, path: Path, max_seq_len: int, rows: int, *, wait: Callable[[int], None]
    ) -> None:
        self._path = path
        self._row_words = max_seq_len
        self._rows = rows
        self._wait = wait
        self._words: np.ndarray[Any, np.dtype[np.uint32]] = np.zeros((0, max_seq_len), np.uint32)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, index: int) -> Row:
        """Return one row; wait for it when the producer has not come so far."""
        if not 0 <= index < self._rows:
            raise IndexError(index)
        if index >= len(self._words):
            self._map(index + 1)
        return from_words(np.array(self._words[index]))

    def _map(self, wanted: int) -> None:
        if rows_on_disk(self._path, self._row_words) < wanted:
            self._wait(wanted)
        shape = (rows_on_disk(self._path, self._row_words), self._row_words)
        self._words = np.memmap(self._path, dtype=np.uint32, mode="r", shape=shape)


class ShareOfRows(Dataset[Row]):
    """What one process of several has of each step's rows: a piece of them, at its own place.

    Row i belongs to the same step whatever the number of processes:

    2 processes, 4 rows a step    0 1 | 2 3     4 5 | 6 7     the first has 0 1 4 5 …
    """

    def __init__(self, rows: Dataset[Row], per_step: int, seat: Seat) -> None:
        self._rows = rows
        self._per_step = per_step
        self._own = per_step // seat.size
        self._first = seat.rank * self._own
        self._size = seat.size

    def __len__(self) -> int:
        return len(self._rows) // self._size  # type: ignore[arg-type]  # torch names no length

    def __getitem__(self, index: int) -> Row:
        """Return one of its rows, in the order of the steps."""
        step, place = divmod(index, self._own)
        return self._rows[step * self._per_step + self._first + place]


def rows_on_disk(path: Path, max_seq_len: int) -> int:
    """Return how many whole rows a file holds; a torn last row does not count."""
    return path.stat().st_size // (max_seq_len * WORD_BYTES) if path.exists() else 0


def collate(rows: Sequence[Row], *, flat: bool) -> dict[str, Any]:
    """Lay rows out for the model, examples apart by position ids alone.

    There is no attention mask: torch's attention sees that positions restart and keeps the
    examples apart; an all-ones mask would silently join them.

    flat=False   input_ids, labels, position_ids  (rows, tokens)
    flat=True    the same as (1, rows x tokens), and the borders that flash-attn wants
    tokens       how many are code, without the padding
    targets      how many carry loss

    Those two are counts: `for_model` takes them away.
    """
    positions = torch.from_numpy(np.stack([position_ids(row) for row in rows])).long()
    labels = torch.from_numpy(np.stack([row.labels for row in rows])).long()
    labels = labels.masked_fill(positions == 0, IGNORE_INDEX)  # the example before cannot know it
    targets = int((labels != IGNORE_INDEX).sum())
    batch: dict[str, Any] = {
        "input_ids": torch.from_numpy(np.stack([row.ids for row in rows])).long(),
        "labels": labels,
        "position_ids": positions,
    }
    if flat:
        batch = {name: value.reshape(1, -1) for name, value in batch.items()} | _borders(rows)
    return batch | {"tokens": code_tokens(rows), "targets": targets}


def for_model(batch: dict[str, Any]) -> dict[str, Any]:
    """Return a batch without what is not for the model: its counts."""
    return {name: value for name, value in batch.items() if name not in COUNTS}


def code_tokens(rows: Sequence[Row]) -> int:
    """Return how many tokens are code, without the padding."""
    return sum(round(fill_ratio(row) * len(row.ids)) for row in rows)


def target_tokens(rows: Sequence[Row]) -> int:
    """Return how many tokens carry loss: never the first of an example."""
    return sum(int(((row.labels != IGNORE_INDEX) & (position_ids(row) != 0)).sum()) for row in rows)


def flatten(rows: Sequence[Row]) -> dict[str, Any]:
    """Lay rows out for the fused path: one flat run of tokens, with its borders and targets.

    input_ids, labels, position_ids  (tokens,)
    lengths, ends                    of the examples, as a tuple and as int32 sums from 0
    longest                          that an example may be
    places, targets                  positions that carry loss, and the token after each
    tokens                           how many are code, without the padding
    """
    batch = collate(rows, flat=False)
    flat = {name: batch[name].flatten() for name in ("input_ids", "labels", "position_ids")}
    wanted = flat["labels"] != IGNORE_INDEX  # never the first of an example
    places = wanted.nonzero().squeeze(1)
    lengths = tuple(length for row in rows for length in row.seq_lengths)
    return flat | {
        "lengths": lengths,
        "longest": len(rows[0].ids),
        "ends": torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32),
        "places": places - 1,
        "targets": flat["labels"][places],
        "tokens": batch["tokens"],
    }


def _borders(rows: Sequence[Row]) -> dict[str, Any]:
    lengths = [length for row in rows for length in row.seq_lengths]
    ends = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32)
    # The longest possible, not the longest here: a number that changes recompiles kernels.
    longest = len(rows[0].ids)
    return {
        "cu_seq_lens_q": ends,
        "cu_seq_lens_k": ends,
        "max_length_q": longest,
        "max_length_k": longest,
    }
