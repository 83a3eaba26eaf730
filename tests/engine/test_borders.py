from __future__ import annotations

import sysconfig
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import IGNORE_INDEX, Row, fill_ratio
from codetune_ui.core.recipe import Recipe, examples_of, rows
from codetune_ui.core.tokens import CodeTokenizer
from tests.borders import SHAPES, masked_logits, packed_logits, some_rows, tiny, worst_difference

NEVER = 1e-4  # of logits that span about ten


@pytest.mark.parametrize("flat", [False, True], ids=["in a row", "rows end to end"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_example_is_read_as_if_it_were_alone(shape: str, attention: str, flat: bool) -> None:
    model = tiny(shape, attention)
    packed, _ = some_rows()
    assert worst_difference(model, packed, packed_logits(model, packed, flat=flat)) < NEVER


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_all_ones_mask_would_join_the_examples(shape: str, attention: str) -> None:
    model = tiny(shape, attention)
    packed, _ = some_rows()
    assert worst_difference(model, packed, masked_logits(model, packed)) > 0.1


# --- how full rows of real code are


@pytest.fixture(scope="module")
def library() -> list[Document]:
    """Return forty files of Python's own library, larger ones and small ones."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    chosen = [path for path in sorted(folder.glob("*.py")) if path.name[0] in "acdhst"][:40]
    return [
        Document(text=path.read_text("utf-8"), path=path.name, language="Python", group="lib")
        for path in chosen
    ]


@pytest.fixture(scope="module")
def recipe(tiny_tokenizer: Path) -> Recipe:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    config = Config(family="starcoder", max_seq_len=2048)
    return Recipe.from_config(config, tokenizer, find_format(tokenizer, tiny_tokenizer, config))


@pytest.fixture(scope="module")
def packed(library: Sequence[Document], recipe: Recipe) -> list[Row]:
    return list(rows(library, recipe, 0))


def test_rows_of_real_code_are_nearly_full(packed: list[Row]) -> None:
    assert len(packed) > 100
    assert np.mean([fill_ratio(row) for row in packed]) >= 0.98


def test_no_token_of_real_code_is_dropped(
    packed: list[Row], library: Sequence[Document], recipe: Recipe
) -> None:
    told = list(examples_of(library, recipe, 0))
    filled = sum(round(fill_ratio(row) * len(row.ids)) for row in packed)
    learned = sum(int((row.labels != IGNORE_INDEX).sum()) for row in packed)
    assert filled == sum(len(example.ids) for example in told)
    assert learned == sum(
        1 for example in told for label in example.labels if label != IGNORE_INDEX
    )
    texts: dict[str, str] = {}
    for example in told:
        texts[example.path] = texts.get(example.path, "") + example.source
    assert texts == {document.path: document.text for document in library}
