from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import IGNORE_INDEX, Row
from codetune_ui.core.recipe import Recipe, examples, examples_of, rows
from codetune_ui.core.source import Document
from codetune_ui.core.tokens import CodeTokenizer


@pytest.fixture(scope="module")
def recipe(tiny_tokenizer: Path) -> Recipe:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    config = Config(family="starcoder", max_seq_len=128, seed=7)
    return Recipe.from_config(config, tokenizer, find_format(tokenizer, tiny_tokenizer, config))


@pytest.fixture(scope="module")
def documents(code_folder: Path) -> list[Document]:
    found = sorted(code_folder.rglob("*.py"))
    return [
        Document(
            text=path.read_text("utf-8"),
            path=path.relative_to(code_folder).as_posix(),
            language="Python",
            group=path.parent.name,
        )
        for path in found
    ]


def sequences(packed: list[Row]) -> list[list[int]]:
    """Return the examples in some rows, padding left out."""
    found = []
    for row in packed:
        place = 0
        for length in row.seq_lengths:
            part = slice(place, place + length)
            place += length
            if (row.labels[part] != IGNORE_INDEX).any():
                found.append(row.ids[part].tolist())
    return found


def test_the_windows_of_a_document_are_the_document(
    recipe: Recipe, documents: list[Document]
) -> None:
    for document in documents:
        found = examples(document, recipe, 0)
        assert len(found) > 3
        assert "".join(example.source for example in found) == document.text


def test_every_example_fits_a_row_with_all_of_its_prompt(
    recipe: Recipe, documents: list[Document]
) -> None:
    found = list(examples_of(documents, recipe, 0))
    assert max(len(example.ids) for example in found) <= 128
    assert all(len(example.ids) == len(example.labels) for example in found)
    holes = [example for example in found if example.mode != "ltr"]
    whole = [e for e in holes if e.prefix + e.middle + e.suffix == e.source]
    assert len(whole) / len(holes) > 0.99


def test_only_the_last_window_of_a_document_ends_it(
    recipe: Recipe, documents: list[Document]
) -> None:
    plain = replace(recipe, fim_rate=0.0)
    found = examples(documents[0], plain, 0)
    assert [0 in example.ids for example in found] == [*[False] * (len(found) - 1), True]


def test_the_same_seed_epoch_and_path_give_the_same_examples(
    recipe: Recipe, documents: list[Document]
) -> None:
    first = examples(documents[0], recipe, 0)
    assert examples(documents[0], recipe, 0) == first
    assert examples(documents[0], recipe, 1) != first
    assert examples(documents[0], replace(recipe, seed=8), 0) != first
    assert examples(replace(documents[0], path="other.py"), recipe, 0) != first


def test_a_document_is_cut_the_same_whoever_stands_beside_it(
    recipe: Recipe, documents: list[Document]
) -> None:
    together = [e for e in examples_of(documents, recipe, 3) if e.path == documents[5].path]
    assert together == examples(documents[5], recipe, 3)


def test_an_empty_document_gives_no_example(recipe: Recipe) -> None:
    nothing = Document(text="", path="__init__.py", language="Python", group="a")
    assert examples(nothing, recipe, 0) == []
    assert list(rows([nothing], recipe, 0)) == []
    assert list(rows([], recipe, 0)) == []


def test_the_rows_hold_every_example_once(recipe: Recipe, documents: list[Document]) -> None:
    packed = list(rows(documents, recipe, 2))
    expected = [example.ids for example in examples_of(documents, recipe, 2)]
    assert sorted(sequences(packed)) == sorted(expected)
    assert all(len(row.ids) == 128 == sum(row.seq_lengths) for row in packed)


def test_rows_repeat_exactly_and_change_with_the_epoch(
    recipe: Recipe, documents: list[Document]
) -> None:
    def tokens(epoch: int) -> list[list[int]]:
        return [row.ids.tolist() for row in rows(documents, recipe, epoch)]

    assert tokens(0) == tokens(0)
    assert tokens(0) != tokens(1)


def test_a_document_is_told_in_another_order_each_epoch(
    recipe: Recipe, documents: list[Document]
) -> None:
    plain = replace(recipe, fim_rate=0.0)
    first, second = (sequences(list(rows(documents, plain, epoch))) for epoch in (0, 1))
    assert first != second
    assert Counter(map(tuple, first)) == Counter(map(tuple, second))


def test_sentinels_stand_once_in_every_example_with_a_hole(
    recipe: Recipe, documents: list[Document]
) -> None:
    for ids in sequences(list(rows(documents, recipe, 0))):
        counts = [ids.count(sentinel) for sentinel in (1, 2, 3)]
        assert counts in ([0, 0, 0], [1, 1, 1])


def test_left_to_right_needs_no_format(recipe: Recipe, documents: list[Document]) -> None:
    plain = replace(recipe, format=None)
    assert {example.mode for example in examples_of(documents, plain, 0)} == {"ltr"}
    assert (plain.pad_id, plain.eos_id, plain.bos_id) == (0, 0, None)


def test_padding_is_the_familys_own_token(recipe: Recipe) -> None:
    assert recipe.pad_id == 4


def test_text_that_grows_when_cut_is_kept_as_two_examples(recipe: Recipe) -> None:
    tight = replace(recipe, max_seq_len=64, fim_rate=1.0, span="characters")
    document = Document(text="\n" * 4000 + "x = 1\n" * 50, path="a", language="", group="")
    found = examples(document, tight, 0)
    assert "".join(example.source for example in found) == document.text
    assert max(len(example.ids) for example in found) <= 64
