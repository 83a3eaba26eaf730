"""Prompts laid out flat, and filled up to a size that is recorded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.engine.fused.decode import Decoder
from codetune_ui.engine.fused.prompts import Counts, Flat, Text, lay, pad
from tests.borders import SHAPES, VOCABULARY, tiny

LONG = [7, 8, 9, 20, 33, 11, 60, 61] * 5


def test_a_pass_knows_each_tokens_place_and_each_texts_borders() -> None:
    texts = [Text(1, [7, 8], kept=3), Text(0, [9], asked=1), Text(0, [0, 0], first=1, asked=0)]
    flat = Flat.of(lay(texts, 10), texts)
    assert flat.ids.tolist() == [7, 8, 9, 0, 0]
    assert flat.at.tolist() == [3, 4, 0, 1, 2]
    assert flat.rows.tolist() == [1, 1, 0, 0, 0]
    assert flat.asked.tolist() == [1, 2]
    assert flat.ends.tolist() == [0, 2, 3, 5]
    assert flat.begins.tolist() == [10, 0, 1, 0]
    assert flat.sizes.tolist() == [5, 1, 2]
    assert flat.most == 2


def test_known_tokens_are_asked_from_the_prompts_end_on() -> None:
    texts = [Text(0, [5, 6, 7, 8], asked=3), Text(1, [9])]
    assert Flat.of(lay(texts, 10), texts).asked.tolist() == [1, 2, 3, 4]


@given(st.lists(st.tuples(st.integers(1, 1500), st.integers(0, 300)), min_size=1, max_size=2))
def test_a_filled_pass_has_one_of_few_sizes_and_its_filler_lies_where_nothing_is(
    given: list[tuple[int, int]],
) -> None:
    texts = [Text(row, [1] * read, kept) for row, (read, kept) in enumerate(given)]
    padded = pad(texts, 2000)
    tokens = sum(read for read, _ in given)
    if padded is None:
        assert tokens > 2048 or min(text.end for text in texts) + 255 > 2000
        return
    size = Counts.of(padded).tokens
    assert tokens <= size <= 2048
    assert size % (64 if size <= 512 else 128 if size <= 1024 else 256) == 0
    filler = padded[-1]
    assert filler.first == texts[filler.row].end
    assert filler.end <= 2000
    assert padded[:-1] == texts


def test_a_pass_that_is_too_long_is_not_filled() -> None:
    assert pad([Text(0, [1] * 2049)], 9000) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_a_filler_changes_nothing(shape: str) -> None:
    base: Any = tiny(shape, "sdpa")
    reader = Decoder(base, VOCABULARY, 128)._reader
    with torch.inference_mode():
        for texts in (
            [Text(0, LONG[:30]), Text(1, LONG)],
            [Text(1, [3, 4], kept=40), Text(0, [5], 30)],
        ):
            padded = pad(texts, 128)
            assert padded is not None
            assert Counts.of(padded).tokens in (64, 128)
            filled = reader._pass(Flat.of(lay(padded, 128), padded), 0)
            torch.testing.assert_close(filled, reader.logits(texts, 0), rtol=1e-5, atol=1e-5)
