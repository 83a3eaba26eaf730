"""Samples of what the model will be taught, and the figures that go with them."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from codetune_ui.core.config import Config
from codetune_ui.core.families import find_format
from codetune_ui.core.fim import Example, Mode, has_whole_prompt
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.core.recipe import Recipe, examples_of, of_set, shuffled
from codetune_ui.core.source import Document
from codetune_ui.core.tokens import CodeTokenizer

MEASURED = 500  # examples that the shares are taken from
LONGEST = (0, 4, 8, 16, 32, 64, 128, 256)  # tokens, of the bars of the histogram of middles


@dataclass(frozen=True)
class Bar:
    """How many middles have `low` to `high` tokens; None is without end."""

    low: int
    high: int | None
    count: int


@dataclass(frozen=True)
class Figures:
    """What some examples are, taken together; `characters` and `text_tokens` are those of text."""

    modes: dict[Mode, int]
    whole_prompts: int
    tokens: int
    learned_tokens: int
    text_tokens: int
    characters: int
    middles: tuple[Bar, ...]

    @property
    def examples(self) -> int:
        """All of them."""
        return sum(self.modes.values())

    @property
    def holes(self) -> int:
        """Examples with a hole."""
        return self.modes["psm"] + self.modes["spm"]

    @property
    def fim_rate(self) -> float:
        """Share of the examples with a hole."""
        return self.holes / self.examples if self.examples else 0.0

    @property
    def whole_prompt_share(self) -> float:
        """Share of the holes all of whose surroundings in the window are in the row."""
        return self.whole_prompts / self.holes if self.holes else 1.0

    @property
    def learned_share(self) -> float:
        """Share of the tokens that carry loss."""
        return self.learned_tokens / self.tokens if self.tokens else 0.0

    @property
    def chars_per_token(self) -> float:
        """Characters of text ÷ its tokens, as it is cut."""
        return self.characters / self.text_tokens if self.text_tokens else 0.0


def measure(examples: Sequence[Example], recipe: Recipe) -> Figures:
    """Return the figures of some examples, read off their tokens."""
    modes = Counter(example.mode for example in examples)
    holes = [example for example in examples if example.mode != "ltr"]
    return Figures(
        modes={mode: modes[mode] for mode in ("psm", "spm", "ltr")},
        whole_prompts=sum(has_whole_prompt(hole, recipe) for hole in holes),
        tokens=sum(len(example.ids) for example in examples),
        learned_tokens=sum(learned_tokens(example) for example in examples),
        text_tokens=sum(
            example.prefix_tokens + example.middle_tokens + example.suffix_tokens
            for example in examples
        ),
        characters=sum(
            len(example.prefix) + len(example.middle) + len(example.suffix) for example in examples
        ),
        middles=middle_bars(hole.middle_tokens for hole in holes),
    )


def learned_tokens(example: Example) -> int:
    """Return how many tokens of an example carry loss."""
    return len(example.labels) - example.labels.count(IGNORE_INDEX)


def middle_bars(lengths: Iterable[int]) -> tuple[Bar, ...]:
    """Count middles by their length in tokens; each bar is twice as wide as the one before.

    >>> [(bar.low, bar.high, bar.count) for bar in middle_bars([0, 3, 4, 5, 900])][:3]
    [(0, 0, 1), (1, 4, 2), (5, 8, 1)]
    """
    counts = [0] * (len(LONGEST) + 1)
    for length in lengths:
        counts[bisect_left(LONGEST, length)] += 1
    lows = (0, *(longest + 1 for longest in LONGEST))
    return tuple(
        Bar(low, high, number)
        for low, high, number in zip(lows, (*LONGEST, None), counts, strict=True)
    )


def preview(
    documents: Sequence[Document], model_folder: Path, config: Config, samples: int
) -> dict[str, Any]:
    """Return samples and shares as plain JSON values; the seed of the settings decides which."""
    tokenizer = CodeTokenizer.from_folder(model_folder)
    format = find_format(tokenizer, model_folder, config)
    recipe = of_set(Recipe.from_config(config, tokenizer, format), documents)
    seen = list(islice(_examples(documents, recipe), max(MEASURED, samples)))
    found = measure(seen, recipe)
    return {
        "family": format.family.name if format else None,
        "orders": list(format.family.orders) if format else [],
        "fim_rate_effective": round(found.fim_rate, 4),
        "whole_prompt_share": round(found.whole_prompt_share, 4),
        "modes": found.modes,
        "chars_per_token": round(found.chars_per_token, 3),
        "learned_token_share": round(found.learned_share, 4),
        "middle_lengths": [asdict(bar) for bar in found.middles],
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
