from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core import near
from codetune_ui.core.near import NearIndex, jaccard, runs_of, sketch_of, word_hashes

CODE = Path(random.__file__).read_text(encoding="utf-8")
WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")


def changed(text: str, share: float, seed: int = 0) -> str:
    """Put new words for a share of the words."""
    lot = random.Random(seed)
    parts = re.split(r"(\W+)", text)
    for place in range(0, len(parts), 2):
        if lot.random() < share:
            parts[place] = f"new{lot.randrange(10**9)}"
    return "".join(parts)


def true_jaccard(one: str, other: str) -> float:
    def runs(text: str) -> set[tuple[bytes, ...]]:
        words = WORD.findall(text.encode())
        return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}

    a, b = runs(one), runs(other)
    return len(a & b) / len(a | b)


@given(st.text())
def test_words_are_those_of_the_expression(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    words = WORD.findall(data)
    hashes = word_hashes(data)
    assert len(hashes) == len(words)
    assert len(set(hashes.tolist())) == len(set(words))


def test_the_same_word_has_the_same_hash_anywhere() -> None:
    first, second, third = word_hashes(b"alpha  beta(alpha)").tolist()
    assert first == third != second


def test_the_hashes_are_the_same_on_every_machine() -> None:
    assert runs_of("a b c d e f").tolist() == [337414356, 3684314877]


@pytest.mark.parametrize("share", [0.01, 0.02, 0.03])
def test_the_likeness_is_the_jaccard_of_runs_of_five_words(share: float) -> None:
    short = CODE[:4000]
    other = changed(short, share)
    index = NearIndex(0.5)
    assert index.first_like(short, "a.py") is None
    like = index.first_like(other, "b.py")
    assert like is not None
    assert like[0] == "a.py"
    assert like[1] == pytest.approx(true_jaccard(short, other))


def test_a_long_file_is_judged_from_a_sample() -> None:
    other = changed(CODE, 0.02)
    exact = true_jaccard(CODE, other)
    like = jaccard(runs_of(CODE)[:1024], runs_of(other)[:1024])
    assert abs(like - exact) < 0.04


def test_less_alike_than_the_threshold_is_another_file() -> None:
    index = NearIndex(0.9)
    assert index.first_like(CODE, "a.py") is None
    assert index.first_like(changed(CODE, 0.05), "b.py") is None


def test_at_least_99_in_100_near_copies_are_found() -> None:
    found = total = 0
    for seed in range(150):
        start = seed * 97 % (len(CODE) - 3000)
        piece = CODE[start : start + 500 + 15 * seed]
        other = changed(piece, 0.02, seed)
        if true_jaccard(piece, other) < 0.8:
            continue
        index = NearIndex(0.75)
        index.first_like(piece, "a.py")
        total += 1
        found += index.first_like(other, "b.py") is not None
    assert total >= 80
    assert found >= 0.99 * total


def test_a_few_words_are_never_a_near_copy() -> None:
    index = NearIndex(0.5)
    text = "from app.models import User, Group\n"
    assert index.first_like(text, "a/__init__.py") is None
    assert index.first_like(text, "b/__init__.py") is None


def test_half_of_a_file_is_no_copy_of_it() -> None:
    index = NearIndex(0.8)
    assert index.first_like(CODE, "a.py") is None
    assert index.first_like(CODE[: len(CODE) // 2], "b.py") is None


def test_what_is_kept_of_a_long_file_is_small() -> None:
    index = NearIndex(0.8)
    lot = random.Random(1)
    index.first_like(" ".join(f"w{lot.randrange(10**9)}" for _ in range(100_000)), "a.py")
    assert sum(runs.nbytes for runs in index._runs) == 4096
    assert all(runs.base is None for runs in index._runs)


def test_a_word_on_the_border_of_two_pieces_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runs_of(CODE)
    monkeypatch.setattr("codetune_ui.core.near.PIECE", 10_000)
    cut = runs_of(CODE)
    assert len(np.intersect1d(whole, cut)) / len(np.union1d(whole, cut)) > 0.97


@pytest.mark.parametrize("head", ["# {}\n" * 30, "/*\n" + " * {}\n" * 30 + " */\n"])
def test_the_same_licence_makes_no_two_files_alike(head: str) -> None:
    licence = head.format(*(f"permission number {n} is granted to all" for n in range(30)))
    codes = [" ".join(f"{name}{n} = {n};" for n in range(20)) for name in "ab"]
    index = NearIndex(0.7)
    assert index.first_like(licence + codes[0], "a.c") is None
    assert index.first_like(licence + codes[1], "b.c") is None
    assert index.first_like(licence.upper() + codes[1], "c.c") == ("b.c", 1.0)


def test_bins_that_borrow_all_at_once_borrow_what_they_would_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = CODE.split()
    texts = [" ".join(words[:count]) for count in range(35, 200, 5)]
    at_once = [sketch_of(text) for text in texts]
    monkeypatch.setattr(near, "AT_ONCE", 1)
    near._lenders.cache_clear()
    one_by_one = [sketch_of(text) for text in texts]
    near._lenders.cache_clear()
    keys = [sketch.keys for sketch in at_once if sketch]
    assert keys == [sketch.keys for sketch in one_by_one if sketch]
    assert len(keys) > 20
