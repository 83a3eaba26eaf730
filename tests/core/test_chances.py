"""What chance decides, against the settings: modes, kinds of holes, cuts; and document by document.

A chi-squared statistic of the counts must stay below the value that it passes once in 100,000
times (with the degrees of freedom beside it); seeds are fixed, so it passes always or never.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core import spans
from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.families import find_format
from codetune_ui.core.fim import draw_cut
from codetune_ui.core.recipe import Recipe, examples, examples_of
from codetune_ui.core.spans import KINDS, choose_span, parse_mix
from codetune_ui.core.syntax import Place
from codetune_ui.core.tokens import CodeTokenizer

ONCE_IN_100_000 = {1: 19.51, 2: 23.03, 3: 25.90, 54: 110.5}  # by degrees of freedom
DRAWS = 20_000


def is_as_expected(seen: Counter[Any], chances: Mapping[Any, float]) -> bool:
    """Compare counts with chances that add up to one; what has no chance may not be seen."""
    possible = {what: chance for what, chance in chances.items() if chance}
    if set(seen) - set(possible):
        return False
    total = sum(seen.values())
    statistic = sum((seen[w] - total * c) ** 2 / (total * c) for w, c in possible.items())
    return len(possible) == 1 or statistic < ONCE_IN_100_000[len(possible) - 1]


@pytest.fixture(scope="module")
def recipe(tiny_tokenizer: Path) -> Recipe:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    config = Config(family="starcoder", max_seq_len=128, seed=7)
    return Recipe.from_config(config, tokenizer, find_format(tokenizer, tiny_tokenizer, config))


@pytest.mark.parametrize("fim_rate", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("spm_rate", [0.0, 0.5, 0.25, 1.0])
def test_modes_come_as_often_as_the_settings_say(
    recipe: Recipe, fim_rate: float, spm_rate: float
) -> None:
    recipe, rng = replace(recipe, fim_rate=fim_rate, spm_rate=spm_rate), random.Random(1)
    seen: Counter[Any] = Counter(
        draw_cut("ab\ncd\n", recipe=recipe, rng=rng, path="a", ends_document=True).order
        for _ in range(DRAWS)
    )
    chances = {None: 1 - fim_rate, "psm": fim_rate * (1 - spm_rate), "spm_v2": fim_rate * spm_rate}
    assert is_as_expected(seen, chances)


def test_modes_at_another_rate_would_be_noticed(recipe: Recipe) -> None:
    recipe, rng = replace(recipe, fim_rate=0.5), random.Random(1)
    seen: Counter[Any] = Counter(
        draw_cut("ab", recipe=recipe, rng=rng, path="a", ends_document=True).order
        for _ in range(DRAWS)
    )
    assert not is_as_expected(seen, {None: 0.47, "psm": 0.265, "spm_v2": 0.265})


def test_random_characters_are_two_independent_points() -> None:
    rng = random.Random(2)
    seen: Counter[Any] = Counter(choose_span("x" * 9, "characters", rng) for _ in range(DRAWS))
    chances = {(a, b): (1 if a == b else 2) / 100 for b in range(10) for a in range(b + 1)}
    assert len(chances) == 55
    assert is_as_expected(seen, chances)


@pytest.mark.parametrize(
    "mix",
    [
        "rest_of_line 50, lines 35, characters 15, syntax 0",
        "characters 10, syntax 90",
        "rest_of_line 1, lines 1, characters 1, syntax 1",
        "lines 3, syntax 0.5",
    ],
)
def test_kinds_of_holes_come_as_often_as_the_mix_says(
    monkeypatch: pytest.MonkeyPatch, mix: str
) -> None:
    for kind in KINDS:  # each way of cutting gives its own place, which tells them apart
        name = "syntax_span" if kind == "syntax" else f"_{kind}"
        place = KINDS.index(kind)
        monkeypatch.setattr(spans, name, lambda *_, place=place: (place, place))
    weights, rng = parse_mix(mix), random.Random(3)
    here = Place("x", 0, "python")
    seen: Counter[Any] = Counter(
        KINDS[choose_span("x", "mixed", rng, mix=weights, place=here)[0]] for _ in range(DRAWS)
    )
    total = sum(weights.values())
    assert is_as_expected(seen, {kind: weight / total for kind, weight in weights.items()})


# --- document by document

WORDS = (
    "ab",
    " ",
    "=",
    "():",
    "\n",
    "\t",
    "\r\n",
    "{}",
    "'",
    '"',
    "é",
    "🦀",
    "\u0301",
    "<fim_middle>",
)
NASTY = st.lists(st.sampled_from(WORDS), max_size=100).map("".join)
LANGUAGES = st.sampled_from(["Python", "JavaScript", "Go", ""])


@st.composite
def document_lists(draw: st.DrawFn) -> list[Document]:
    texts = draw(st.lists(st.tuples(NASTY, LANGUAGES), min_size=2, max_size=6))
    return [
        Document(text="".join(text) * 4, path=f"file_{index}", language=language, group="a")
        for index, (text, language) in enumerate(texts)
    ]


@given(document_lists(), st.sampled_from(["mixed", "syntax", "characters"]), st.integers(0, 3))
@settings(max_examples=40)
def test_another_file_changes_no_files_samples(
    recipe: Recipe, documents: list[Document], span: str, epoch: int
) -> None:
    recipe = replace(recipe, span=span)
    fewer = list(examples_of(documents[1:], recipe, epoch))
    more = [e for e in examples_of(documents, recipe, epoch) if e.path != documents[0].path]
    assert more == fewer


@given(
    documents=document_lists(),
    span=st.sampled_from(["mixed", "syntax", "characters", "lines", "rest_of_line"]),
    fit=st.sampled_from(["window", "truncate_or_pad"]),
    loss_on=st.sampled_from(["all", "middle"]),
)
@settings(max_examples=100)
def test_examples_hold_the_file_and_are_rightly_framed(
    recipe: Recipe, documents: list[Document], span: str, fit: str, loss_on: str
) -> None:
    recipe = replace(recipe, span=span, fit=fit, loss_on=loss_on, fim_rate=0.9)
    assert recipe.format is not None
    for document in documents:
        found = examples(document, recipe, 0)
        assert "".join(example.source for example in found) == document.text
        for example in found:
            ids, labels = example.ids, example.labels
            assert len(ids) == len(labels) <= recipe.max_seq_len
            assert all(label in (-100, token) for token, label in zip(ids, labels, strict=True))
            sentinels = [ids.count(token) for token in recipe.format.sentinel_ids]
            assert sentinels == ([0, 0, 0] if example.order is None else [1, 1, 1])
            if example.order is None:
                assert recipe.tokenizer.decode(ids, skip_control=True) == example.source
                continue
            assert (ids[-1], labels[-1]) == (recipe.format.eot_id, recipe.format.eot_id)
            middle = ids[len(ids) - 1 - example.middle_tokens : -1]
            assert recipe.tokenizer.decode(middle) == example.middle
            assert labels[len(ids) - 1 - example.middle_tokens : -1] == middle
            cut = len(example.prefix + example.middle + example.suffix) < len(example.source)
            if fit == "window" and not cut:
                assert example.prefix + example.middle + example.suffix == example.source
            assert example.source.startswith(example.prefix) or cut
            assert example.source[example.start :].startswith(example.middle)
