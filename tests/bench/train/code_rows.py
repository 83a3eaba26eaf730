"""The rows that every side trains on: real code, cut and packed once, in one file."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import SourceError
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import Row, from_words, to_words
from codetune_ui.core.recipe import Recipe, rows
from codetune_ui.core.source import read_source
from codetune_ui.core.tokens import CodeTokenizer


def write_rows(target: Path, code: Path, tokenizer: Path, max_seq_len: int, count: int) -> int:
    """Cut a folder of code as the app does, with StarCoder's FIM; return how many rows there are.

    Writes words (rows, max_seq_len) as `core.pack.to_words` lays them out, at most `count` rows.
    """
    config = Config(source=str(code), family="starcoder", max_seq_len=max_seq_len)
    words = CodeTokenizer.from_folder(tokenizer)
    recipe = Recipe.from_config(config, words, find_format(words, tokenizer, config))
    found = (item for item in read_source(config, demo_code=code) if isinstance(item, Document))
    documents = list(found)
    random.Random(0).shuffle(documents)
    cut = [to_words(row) for row in itertools.islice(rows(documents, recipe, 0), count)]
    if not cut:
        raise SourceError(f"There is no code in '{code}'.", "Name a folder of code with --data.")
    np.save(target, np.stack(cut))
    return len(cut)


def read_steps(file: Path, rows_per_pass: int, passes: int) -> Iterator[list[list[Row]]]:
    """Yield the rows of every step without end, pass by pass; the file is begun anew when read."""
    found = [from_words(words) for words in np.load(file)]
    endless = itertools.cycle(found)
    while True:
        yield [list(itertools.islice(endless, rows_per_pass)) for _ in range(passes)]
