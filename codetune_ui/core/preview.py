"""Samples of what the model will be taught, and the figures that go with them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

from codetune_ui.core.config import Config
from codetune_ui.core.families import find_format
from codetune_ui.core.fim import Example, has_whole_prompt
from codetune_ui.core.recipe import Recipe, examples_of, shuffled
from codetune_ui.core.source import Document
from codetune_ui.core.tokens import CodeTokenizer

MEASURED = 500  # examples that the shares are taken from


def preview(
    documents: Sequence[Document], model_folder: Path, config: Config, samples: int
) -> dict[str, Any]:
    """Return samples and shares as plain JSON values; the seed of the settings decides which."""
    tokenizer = CodeTokenizer.from_folder(model_folder)
    format = find_format(tokenizer, model_folder, config)
    recipe = Recipe.from_config(config, tokenizer, format)
    seen = list(islice(_examples(documents, recipe), max(MEASURED, samples)))
    holes = [example for example in seen if example.mode != "ltr"]
    whole = [hole for hole in holes if has_whole_prompt(hole, recipe)]
    return {
        "family": format.family.name if format else None,
        "orders": list(format.family.orders) if format else [],
        "fim_rate_effective": round(len(holes) / len(seen), 4) if seen else 0.0,
        "whole_prompt_share": round(len(whole) / len(holes), 4) if holes else 1.0,
        "samples": [_as_json(example) for example in seen[:samples]],
    }


def _examples(documents: Sequence[Document], recipe: Recipe) -> Iterator[Example]:
    """Yield examples epoch after epoch, in the order of training."""
    for epoch in count():
        order = shuffled(documents, random.Random(f"{recipe.seed}:{epoch}"))
        empty = True
        for example in examples_of(order, recipe, epoch):
            empty = False
            yield example
        if empty:
            return


def _as_json(example: Example) -> dict[str, Any]:
    return {
        "path": example.path,
        "mode": example.mode,
        "source": example.source,
        "prefix": example.prefix,
        "middle": example.middle,
        "suffix": example.suffix,
        "input_ids": example.ids,
        "labels": example.labels,
    }
