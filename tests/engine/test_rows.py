from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codetune_ui.core.pack import Row, to_words
from codetune_ui.engine.rows import RowFile, ShareOfRows, collate, rows_on_disk, target_tokens
from codetune_ui.engine.seat import Seat


def row(ids: list[int], labels: list[int], lengths: tuple[int, ...]) -> Row:
    return Row(np.array(ids, np.int32), np.array(labels, np.int32), lengths)


TWO = row([7, 8, 9, 5, 6, 4], [-100, 8, 9, 5, 6, -100], (3, 2, 1))
ONE = row([1, 2, 3, 4, 5, 6], [-100, 2, 3, 4, 5, 6], (6,))


def test_positions_restart_at_each_example_and_there_is_no_mask() -> None:
    batch = collate([TWO, ONE], flat=False)
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 4, 5]]
    assert sorted(batch) == ["input_ids", "labels", "position_ids", "targets", "tokens"]


def test_the_first_token_of_an_example_carries_no_loss() -> None:
    batch = collate([TWO], flat=False)
    assert batch["labels"].tolist() == [[-100, 8, 9, -100, 6, -100]]


def test_padding_is_not_counted_as_tokens() -> None:
    assert collate([TWO, ONE], flat=False)["tokens"] == 11


def test_flat_rows_carry_the_borders_of_all_examples() -> None:
    batch = collate([TWO, ONE], flat=True)
    assert batch["input_ids"].shape == (1, 12)
    assert batch["cu_seq_lens_q"].tolist() == [0, 3, 5, 6, 12]
    assert batch["cu_seq_lens_q"].dtype == torch.int32
    assert batch["max_length_q"] == 6


def test_a_row_that_is_not_written_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "train.rows"
    to_words(ONE).tofile(path)
    asked: list[int] = []

    def produce(wanted: int) -> None:
        asked.append(wanted)
        np.concatenate([to_words(ONE), to_words(TWO)]).tofile(path)

    rows = RowFile(path, 6, 2, wait=produce)
    assert rows[0].ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert rows[1].seq_lengths == (3, 2, 1)
    assert asked == [2]


def test_a_torn_row_is_not_a_row(tmp_path: Path) -> None:
    path = tmp_path / "train.rows"
    path.write_bytes(to_words(ONE).tobytes() + b"\1\2\3")
    assert rows_on_disk(path, 6) == 1


def test_rows_end_where_the_plan_ends(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        RowFile(tmp_path / "train.rows", 6, 2, wait=print)[2]


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_a_step_has_the_same_rows_on_any_number_of_processes(
    tmp_path: Path, processes: int
) -> None:
    path, per_step, steps = tmp_path / "train.rows", 4, 3
    every = [row([n] * 6, [-100] + [n] * 5, (6,)) for n in range(per_step * steps)]
    np.concatenate([to_words(one) for one in every]).tofile(path)
    rows = RowFile(path, 6, len(every), wait=lambda _: None)
    seats = [Seat(rank, processes) for rank in range(processes)]
    shares = [ShareOfRows(rows, per_step, seat) for seat in seats]
    own = per_step // processes
    for step in range(steps):
        seen = [
            int(share[index].ids[0])
            for share in shares
            for index in range(step * own, (step + 1) * own)
        ]
        assert seen == list(range(step * per_step, (step + 1) * per_step))
    assert [len(share) for share in shares] == [own * steps] * processes


def test_targets_are_counted_alike_before_and_after_the_rows_are_laid_out() -> None:
    rows = [TWO, ONE]
    assert target_tokens(rows) == collate(rows, flat=False)["targets"] == 8
