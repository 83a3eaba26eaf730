"""A tokenizer of one token per byte and a recipe around it: sequences one can count by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from codetune_ui.core.config import Config
from codetune_ui.core.example import Cut, Example
from codetune_ui.core.families import FAMILIES, Family, find_format
from codetune_ui.core.fim import compose
from codetune_ui.core.recipe import Recipe
from codetune_ui.core.tokens import CodeTokenizer


def byte_tokenizer(family: Family, without: str = "") -> CodeTokenizer:
    """One token per byte, and after them the family's own tokens: nothing is ever merged."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    own = (family.prefix, family.suffix, family.middle, family.pad, family.eot, family.bos)
    named = [*own, family.repo, family.file, *family.stops, *family.opening, *family.closing]
    texts = [t for t in named if t and t not in ("eos", "auto", without) and "\n" not in t]
    tokens = dict.fromkeys([*texts, "<eos>"])
    tokenizer.add_tokens([AddedToken(str(token), normalized=False) for token in tokens])
    description: dict[str, Any] = json.loads(tokenizer.to_str())
    return CodeTokenizer(description, "<eos>")


def byte_recipe(name: str, **changes: Any) -> Recipe:
    """Return a recipe of a family with the byte tokenizer: every example has a hole."""
    tokenizer = byte_tokenizer(FAMILIES[name])
    recipe = Recipe(
        tokenizer=tokenizer,
        format=find_format(tokenizer, Path("nowhere"), Config(family=name)),
        fim_rate=1.0,
        spm_rate=0.5,
        span="characters",
        loss_on="all",
        max_seq_len=256,
        seed=0,
    )
    return replace(recipe, **changes)


def one(cut: Cut, recipe: Recipe) -> Example:
    """Return the example of a cut that fits its row."""
    (example,) = compose([cut], recipe)
    assert example is not None
    return example
