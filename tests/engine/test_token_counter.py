from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine import token_counter
from codetune_ui.engine.token_counter import TokenCounter, TokenCounts, text_key
from codetune_ui.runs.store import Home

TEXTS = {"a.py": "def add(left, right):\n    return left + right\n", "b.py": "x = 1\n", "c.py": ""}


def counted(home: Home, tokenizer: CodeTokenizer, texts: dict[str, str] = TEXTS) -> dict[str, int]:
    with TokenCounter(tokenizer, TokenCounts(home, "t" * 64)) as counter:
        for name, text in texts.items():
            counter.add(name, text)
        return counter.finish()


def test_counts_are_those_of_the_tokenizer(home: Path, tiny_tokenizer: Path) -> None:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    expected = {name: len(tokenizer.encode(text)) for name, text in TEXTS.items()}
    assert counted(Home(home), tokenizer) == expected


def test_a_text_counted_before_is_not_encoded_again(
    home: Path, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    first = counted(Home(home), tokenizer)
    asked: list[str] = []
    encode = tokenizer.encode_batch

    def noted(texts: Sequence[str]) -> list[list[int]]:
        asked.extend(texts)
        return encode(texts)

    monkeypatch.setattr(tokenizer, "encode_batch", noted)
    again = counted(Home(home), tokenizer, {**TEXTS, "new.py": "y = 2\n"})
    assert asked == ["y = 2\n"]
    assert {name: again[name] for name in TEXTS} == first


def test_many_batches_are_all_counted(
    home: Path, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_counter, "BATCH_CHARACTERS", 3)
    texts = {f"{n}.py": f"value_{n} = {n}\n" for n in range(40)}
    found = counted(Home(home), CodeTokenizer.from_folder(tiny_tokenizer), texts)
    assert found.keys() == texts.keys()


def test_an_error_in_between_writes_nothing(home: Path, tiny_tokenizer: Path) -> None:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)

    def break_off() -> None:
        with TokenCounter(tokenizer, TokenCounts(Home(home), "t")) as counter:
            counter.add("a.py", "a")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert not (Home(home).cache_dir / "scan").exists()


def test_counts_beyond_the_limit_are_dropped_the_oldest_first(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_counter, "MOST_COUNTS", 2)
    for text in ("old", "middle", "new"):
        counts = TokenCounts(Home(home), "t")
        counts.note(text_key(text), 7)
        counts.save()
    found = TokenCounts(Home(home), "t").look_up([text_key("new")])
    assert found == [7]
    assert len(TokenCounts(Home(home), "t")._old) == 2


@pytest.mark.parametrize("junk", [b"", b"\x93NUMPY", b"junk" * 100])
def test_a_torn_file_is_as_none(home: Path, junk: bytes) -> None:
    counts = TokenCounts(Home(home), "t")
    counts.path.parent.mkdir(parents=True)
    counts.path.write_bytes(junk)
    assert TokenCounts(Home(home), "t").look_up([1, 2]) == [None, None]
