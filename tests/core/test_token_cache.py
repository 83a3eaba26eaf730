from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codetune_ui.core.token_cache import TokenCache
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.core.window import windows_of
from tests.tiny import SOME_CODE


class Counting:
    """A tokenizer that counts the texts it encodes."""

    def __init__(self, folder: Path) -> None:
        self.real = CodeTokenizer.from_folder(folder)
        self.token_lengths = self.real.token_lengths
        self.asked: list[str] = []

    def encode_batch(self, texts: list[str], *, continues: bool = False) -> list[list[int]]:
        self.asked += texts
        return self.real.encode_batch(texts, continues=continues)


@pytest.fixture
def counting(tiny_tokenizer: Path) -> Counting:
    return Counting(tiny_tokenizer)


def test_a_text_is_encoded_once(counting: Counting) -> None:
    cache = TokenCache(counting)  # type: ignore[arg-type]
    first = cache.known(["def f():\n", "x = 1\n", "def f():\n"])
    again = cache.known(["x = 1\n", "def f():\n"])
    assert counting.asked == ["def f():\n", "x = 1\n"]
    assert [known.ids for known in again] == [first[1].ids, first[0].ids]
    assert [known.text for known in again] == ["x = 1\n", "def f():\n"]


def test_the_tokens_are_those_of_the_text(counting: Counting) -> None:
    (known,) = TokenCache(counting).known(["é = 1\n"])  # type: ignore[arg-type]
    assert known.text == "é = 1\n"
    assert counting.real.decode(known.ids) == "é = 1\n"
    assert known.starts[0] == 0
    assert len(known.starts) == len(known.ids)


def test_what_was_asked_for_longest_ago_is_forgotten_first(counting: Counting) -> None:
    cache = TokenCache(counting, most_characters=10)  # type: ignore[arg-type]
    cache.known(["aaaa"])
    cache.known(["bbbb"])
    cache.known(["aaaa"])
    cache.known(["cccc"])  # twelve characters: b must go
    counting.asked.clear()
    cache.known(["aaaa", "cccc"])
    assert counting.asked == []
    cache.known(["bbbb"])
    assert counting.asked == ["bbbb"]


def test_a_text_larger_than_the_cache_is_answered_and_not_kept(counting: Counting) -> None:
    cache = TokenCache(counting, most_characters=3)  # type: ignore[arg-type]
    assert cache.known(["abcd"])[0].text == "abcd"
    cache.known(["abcd"])
    assert counting.asked == ["abcd", "abcd"]


def test_windows_are_the_same_with_and_without_the_cache(tiny_tokenizer: Path) -> None:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    texts = ["".join(SOME_CODE) * 3, "", "short\n", "é" * 300]
    plain = windows_of(texts, 40, tokenizer)
    cached = windows_of(texts, 40, tokenizer, TokenCache(tokenizer))
    assert [[w.text for w in one] for one in cached] == [[w.text for w in one] for one in plain]


def test_a_cache_that_does_not_forget_keeps_the_first_texts_when_it_is_full(
    counting: Counting,
) -> None:
    cache = TokenCache(counting, most_characters=10, forgets=False)  # type: ignore[arg-type]
    cache.known(["aaaa", "bbbb"])
    cache.known(["cccc"])
    counting.asked.clear()
    cache.known(["aaaa", "bbbb", "cccc"])
    assert counting.asked == ["cccc"]


def test_ids_beyond_sixteen_bits_are_kept_as_they_are(counting: Counting) -> None:
    wide = [1, 65_535, 65_536, 4_000_000]
    counting.encode_batch = lambda texts, **_: [wide] * len(texts)  # type: ignore
    counting.token_lengths = np.ones(4_000_001, dtype=np.int64)
    cache = TokenCache(counting)  # type: ignore[arg-type]
    cache.known(["text"])
    assert cache.known(["text"])[0].ids == wide
