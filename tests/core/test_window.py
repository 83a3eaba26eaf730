from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.splice import token_starts
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.core.window import windows, windows_of

LINES = "".join(f"value_{number} = {number}\n" for number in range(200))


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> CodeTokenizer:
    return CodeTokenizer.from_folder(tiny_tokenizer)


@given(st.text(st.sampled_from("ab_ \t\n\ré🦀(1<"), max_size=600), st.integers(8, 80))
@settings(max_examples=60)
def test_the_windows_joined_are_the_document(
    tokenizer: CodeTokenizer, text: str, budget: int
) -> None:
    parts = windows(text, budget, tokenizer)
    assert "".join(parts) == text
    assert all(parts)


@given(st.text(st.sampled_from("ab_ \t\n\ré🦀(1<"), max_size=600), st.integers(16, 80))
@settings(max_examples=60)
def test_a_window_is_no_longer_than_its_budget(
    tokenizer: CodeTokenizer, text: str, budget: int
) -> None:
    # cutting inside a token of several spaces may add a token or two at either end
    for part in windows(text, budget, tokenizer):
        assert len(tokenizer.encode(part)) <= budget + 4


def test_windows_end_at_line_borders(tokenizer: CodeTokenizer) -> None:
    parts = windows(LINES, 100, tokenizer)
    assert len(parts) > 5
    assert all(part.endswith("\n") for part in parts)


def test_windows_are_nearly_full(tokenizer: CodeTokenizer) -> None:
    sizes = [len(tokenizer.encode(part)) for part in windows(LINES, 100, tokenizer)]
    assert min(sizes[:-1]) > 85
    assert max(sizes) <= 100


def test_a_line_longer_than_the_budget_is_cut_inside(tokenizer: CodeTokenizer) -> None:
    parts = windows("x = [" + "1, " * 400 + "]\n", 64, tokenizer)
    assert len(parts) > 10
    assert all(len(tokenizer.encode(part)) <= 66 for part in parts)


def test_a_cut_never_falls_inside_a_character(tokenizer: CodeTokenizer) -> None:
    parts = windows("🦀" * 100, 30, tokenizer)  # four tokens each
    assert "".join(parts) == "🦀" * 100
    assert max(len(part) for part in parts) <= 8


def test_an_empty_document_has_no_window(tokenizer: CodeTokenizer) -> None:
    assert windows("", 64, tokenizer) == []
    assert windows("a", 64, tokenizer) == ["a"]


def test_a_lone_surrogate_is_measured_too(tokenizer: CodeTokenizer) -> None:
    text = "ab\ud800\n" * 60
    assert "".join(windows(text, 40, tokenizer)) == text


def test_many_documents_are_cut_as_each_one_is(tokenizer: CodeTokenizer) -> None:
    texts = [LINES, "", "short\n", LINES[:900]]
    together = windows_of(texts, 64, tokenizer)
    assert [[piece.text for piece in found] for found in together] == [
        windows(text, 64, tokenizer) for text in texts
    ]


def test_every_token_is_found_at_its_character(tokenizer: CodeTokenizer) -> None:
    text = "é = '🦀'\nx = 1\n"
    ids = tokenizer.encode(text)
    starts = token_starts(text, ids, tokenizer).tolist()
    assert starts[0] == 0
    assert text[starts[-1] :] == tokenizer.decode(ids[-1:])
    assert starts == sorted(starts)
