from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.answer import Writer


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> CodeTokenizer:
    return CodeTokenizer.from_folder(tiny_tokenizer)


def pieces(writer: Writer, ids: list[int]) -> list[str]:
    found = []
    for token in ids:
        found.append(writer.add(token))
        if writer.stopped:
            break
    return [*found, writer.rest()]


def test_a_character_of_many_tokens_comes_whole(tokenizer: CodeTokenizer) -> None:
    ids = tokenizer.encode("é→🦦")
    assert len(ids) == 9
    found = pieces(Writer(tokenizer, ()), ids)
    assert found == ["", "é", "", "", "→", "", "", "", "🦦", ""]


def test_half_a_character_at_the_end_is_left_out(tokenizer: CodeTokenizer) -> None:
    ids = tokenizer.encode("a🦦")[:-1]
    assert "".join(pieces(Writer(tokenizer, ()), ids)) == "a"


def test_a_stop_string_over_two_tokens_is_never_shown(tokenizer: CodeTokenizer) -> None:
    writer = Writer(tokenizer, ("\n\n#",))
    ids = [*tokenizer.encode("a\n"), *tokenizer.encode("\n"), *tokenizer.encode("# b")]
    assert "".join(pieces(writer, ids)) == "a"
    assert writer.stopped


def test_what_only_began_like_a_stop_string_is_given_back(tokenizer: CodeTokenizer) -> None:
    writer = Writer(tokenizer, ("\n\n#",))
    assert "".join(pieces(writer, tokenizer.encode("a\n\nb\n"))) == "a\n\nb\n"


def test_a_control_token_is_no_text(tokenizer: CodeTokenizer) -> None:
    assert "".join(pieces(Writer(tokenizer, ()), [1, *tokenizer.encode("a"), 5])) == "a"
