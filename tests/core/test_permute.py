"""Our transform against the guide's ("Fine-tuning a Code LLM on Custom Code"), token by token.

The guide cuts a list of tokens, we cut text. So the text here is one character a token, and our
luck is drawn from the guide's own generator: rate, two cuts, order.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.families import FimFormat, find_format
from codetune_ui.core.fim import compose, draw_cut, has_whole_prompt, left_to_right
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.core.recipe import Recipe, examples
from codetune_ui.core.tokens import CodeTokenizer

FIRST = 0x10000  # of the characters that stand for tokens: none of them is a surrogate
END, PREFIX, MIDDLE, SUFFIX, PAD = range(5)


def guides_permute(
    sample: list[int],
    rng: np.random.RandomState,
    fim_rate: float,
    spm_rate: float,
    truncate_or_pad: bool,
) -> list[int]:
    """Do what section 1.3 of the guide says `permute` does, with StarCoder's ids."""
    if not rng.binomial(1, fim_rate):
        return sample
    start, end = sorted(rng.randint(low=0, high=len(sample) + 1, size=2).tolist())
    prefix, middle, suffix = sample[:start], sample[start:end], sample[end:]
    if truncate_or_pad:
        surplus = len(prefix) + len(middle) + len(suffix) + 3 - len(sample)
        if surplus > 0:
            if len(suffix) <= surplus:
                return sample
            suffix = suffix[: len(suffix) - surplus]
        elif surplus < 0:
            suffix = suffix + [PAD] * -surplus
    if rng.binomial(1, spm_rate):
        return [PREFIX, SUFFIX, *suffix, MIDDLE, *prefix, *middle]
    return [PREFIX, *prefix, SUFFIX, *suffix, MIDDLE, *middle]


class TokenMode:
    """A tokenizer for texts of one character a token."""

    has_dummy_space = False

    def encode_batch(self, texts: list[str], **_: Any) -> list[list[int]]:
        return [[ord(char) - FIRST for char in text] for text in texts]

    def decode(self, ids: list[int], **_: Any) -> str:
        return as_text(ids)

    def begins_character(self, _: int) -> bool:
        return True


def as_text(ids: list[int]) -> str:
    return "".join(chr(FIRST + token) for token in ids)


class GuidesLuck(random.Random):
    """The guide's generator behind the calls of our transform, in the order it makes them."""

    def __init__(self, seed: int, fim_rate: float, spm_rate: float) -> None:
        super().__init__(0)
        self._rng = np.random.RandomState(seed)
        self._rates = [fim_rate, spm_rate]
        self._cuts: list[int] = []

    def random(self) -> float:
        return 0.0 if self._rng.binomial(1, self._rates.pop(0)) else 1.0

    def randint(self, low: int, high: int) -> int:
        if not self._cuts:
            self._cuts = self._rng.randint(low=low, high=high + 1, size=2).tolist()
        return self._cuts.pop(0)


@pytest.fixture(scope="module")
def recipe(tiny_tokenizer: Path) -> Recipe:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    config = Config(family="starcoder", max_seq_len=512, span="characters")
    return Recipe.from_config(config, tokenizer, find_format(tokenizer, tiny_tokenizer, config))


def ours(sample: list[int], recipe: Recipe, luck: random.Random) -> list[int]:
    """Return our example without the end-of-middle token that follows it."""
    token_mode: Any = TokenMode()
    recipe = replace(recipe, tokenizer=token_mode)
    cut = draw_cut(as_text(sample), recipe=recipe, rng=luck, path="a", ends_document=False)
    example = compose([cut], recipe)[0]
    if example is None or example.order is None:
        example = compose([left_to_right(cut)], recipe)[0]
        assert example is not None
        return example.ids
    assert example.ids[-1] == END
    return example.ids[:-1]


@given(
    sample=st.lists(st.integers(5, 49_000), max_size=60),
    seed=st.integers(0, 2**32 - 1),
    truncate_or_pad=st.booleans(),
    spm_rate=st.sampled_from([0.0, 0.5, 1.0]),
)
@settings(max_examples=300)
def test_the_same_seed_and_cut_rule_give_the_guides_sequence(
    recipe: Recipe, sample: list[int], seed: int, truncate_or_pad: bool, spm_rate: float
) -> None:
    fit = "truncate_or_pad" if truncate_or_pad else "window"
    recipe = replace(recipe, fit=fit, fim_rate=0.9, spm_rate=spm_rate)
    rng = np.random.RandomState(seed)
    expected = guides_permute(sample, rng, 0.9, spm_rate, truncate_or_pad)
    assert ours(sample, recipe, GuidesLuck(seed, 0.9, spm_rate)) == expected


def test_psm_spm_and_left_to_right_are_all_compared() -> None:
    seen = set()
    for seed in range(100):
        found = guides_permute([9] * 20, np.random.RandomState(seed), 0.9, 0.5, True)
        seen.add("ltr" if PREFIX not in found else "spm" if found[1] == SUFFIX else "psm")
    assert seen == {"psm", "spm", "ltr"}


# --- truncate_or_pad on real text, where cutting changes the tokens


def format_of(recipe: Recipe) -> FimFormat:
    assert recipe.format is not None
    return recipe.format


def text_of(code_folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in sorted(code_folder.rglob("*.py"))[:4])


def test_every_example_is_as_long_as_its_plain_text(recipe: Recipe, code_folder: Path) -> None:
    recipe = replace(recipe, fit="truncate_or_pad", fim_rate=1.0, max_seq_len=128)
    document = Document(text=text_of(code_folder), path="a.py", language="Python", group="a")
    found = examples(document, recipe, 0)
    holes = [example for example in found if example.order]
    assert len(holes) > 10
    for example in holes:
        assert len(example.ids) == len(recipe.tokenizer.encode(example.source)) + 1
    assert "".join(example.source for example in found) == document.text
    assert max(len(example.ids) for example in found) <= 128


def test_truncate_or_pad_costs_whole_prompts(recipe: Recipe, code_folder: Path) -> None:
    document = Document(text=text_of(code_folder), path="a.py", language="Python", group="a")
    shares = {}
    for fit in ("window", "truncate_or_pad"):
        told = replace(recipe, fit=fit, fim_rate=1.0, max_seq_len=128)
        holes = [example for example in examples(document, told, 0) if example.order]
        shares[fit] = sum(has_whole_prompt(example, told) for example in holes) / len(holes)
    assert shares["window"] == 1.0
    assert shares["truncate_or_pad"] < 0.2


def test_a_pad_in_a_suffix_carries_no_loss(recipe: Recipe, code_folder: Path) -> None:
    """Three sentinels cost more than a cut saves, so the text must shrink when it is cut."""
    recipe = replace(recipe, fit="truncate_or_pad", fim_rate=1.0)
    cut = draw_cut("ab", recipe=recipe, rng=random.Random(1), path="a", ends_document=True)
    (example,) = compose([replace(cut, text="x" * 40, order="psm", start=3, end=9)], shrunk(recipe))
    assert example is not None
    assert example.ids.count(PAD) == 5
    assert [example.labels[i] for i, token in enumerate(example.ids) if token == PAD] == [
        IGNORE_INDEX
    ] * 5
    assert example.suffix == "x" * 31
    assert code_folder.is_dir()


def shrunk(recipe: Recipe) -> Recipe:
    class Wasteful(TokenMode):
        """A text as a whole takes eight tokens more than its parts do."""

        def encode_batch(self, texts: list[str], **_: Any) -> list[list[int]]:
            return [[7] * (len(text) + 8 * (len(text) == 40)) for text in texts]

        def decode(self, ids: list[int], **_: Any) -> str:
            return "x" * len(ids)

    wasteful: Any = Wasteful()
    return replace(recipe, tokenizer=wasteful)
