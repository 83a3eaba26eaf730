from __future__ import annotations

import os
from pathlib import Path

import pytest

from codetune_ui.core.token_cache import TokenCache
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine import token_store
from codetune_ui.engine.token_store import TokenStore
from codetune_ui.runs.store import Home

TEXTS = ["def f():\n    return 1\n", "", "é = 'ü'\n", "x = 1\n" * 40]


@pytest.fixture
def tokenizer(tiny_tokenizer: Path) -> CodeTokenizer:
    return CodeTokenizer.from_folder(tiny_tokenizer)


@pytest.fixture
def store(home: Path) -> TokenStore:
    return TokenStore(Home(home), "a" * 64, "/some/code")


def filled(store: TokenStore, tokenizer: CodeTokenizer) -> TokenCache:
    cache = store.open(tokenizer)
    cache.known(TEXTS)
    store.save(cache)
    return cache


def test_the_next_run_encodes_nothing_anew(store: TokenStore, tokenizer: CodeTokenizer) -> None:
    first = filled(store, tokenizer)
    again = store.open(tokenizer)
    told = [known.ids for known in again.known(TEXTS)]
    assert told == tokenizer.encode_batch(TEXTS, continues=True)
    assert (first.encoded, again.encoded) == (4, 0)


def test_a_changed_text_alone_is_encoded(store: TokenStore, tokenizer: CodeTokenizer) -> None:
    filled(store, tokenizer)
    again = store.open(tokenizer)
    again.known([*TEXTS, "y = 2\n"])
    store.save(again)
    assert again.encoded == 1
    assert len(store.open(tokenizer).items()) == 5


def test_another_tokenizer_or_source_has_a_file_of_its_own(home: Path) -> None:
    places = {
        TokenStore(Home(home), tokenizer * 64, source).path
        for tokenizer in "ab"
        for source in ("/a", "/b")
    }
    assert len(places) == 4


@pytest.mark.parametrize("size", [0, 1, 40, 300, -1])
def test_a_torn_file_is_as_none(store: TokenStore, tokenizer: CodeTokenizer, size: int) -> None:
    filled(store, tokenizer)
    store.path.write_bytes(store.path.read_bytes()[:size])
    cache = store.open(tokenizer)
    assert cache.known(TEXTS)[0].ids == tokenizer.encode(TEXTS[0], continues=True)


def test_ids_outside_the_vocabulary_are_not_taken(
    store: TokenStore, tokenizer: CodeTokenizer
) -> None:
    filled(store, tokenizer)
    with pytest.raises(ValueError, match="not a file of tokens"):
        list(token_store._read(store.path, 5))


def test_a_disk_that_is_full_only_means_that_nothing_is_kept(
    store: TokenStore, tokenizer: CodeTokenizer
) -> None:
    store.path.parent.parent.mkdir(parents=True, exist_ok=True)
    store.path.parent.write_text("in the way")
    filled(store, tokenizer)
    assert store.open(tokenizer).items() == []


def test_only_the_sources_used_last_are_kept(
    home: Path, tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_store, "MOST_SOURCES", 2)
    stores = [TokenStore(Home(home), "a" * 64, source) for source in "abc"]
    for place, store in enumerate(stores):
        filled(store, tokenizer)
        os.utime(store.path, (1000 + place, 1000 + place))
    filled(TokenStore(Home(home), "a" * 64, "d"), tokenizer)
    assert [store.path.exists() for store in stores] == [False, False, True]


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_others_on_this_machine_cannot_look_in(store: TokenStore, tokenizer: CodeTokenizer) -> None:
    filled(store, tokenizer)
    assert store.path.parent.stat().st_mode & 0o077 == 0
