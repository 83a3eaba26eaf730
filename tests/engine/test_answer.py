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


def written(tokenizer: CodeTokenizer, text: str, writer: Writer) -> str:
    return "".join(pieces(writer, tokenizer.encode(text)))


def test_an_answer_ends_before_the_line_that_follows_it(tokenizer: CodeTokenizer) -> None:
    writer = Writer(tokenizer, (), ("\n    return total",))
    text = "total = 1\n    return total\n\ndef"
    assert written(tokenizer, text, writer) == "total = 1"
    assert writer.stopped
    assert writer.stop_word == ""


def test_a_line_that_follows_ends_it_at_its_own_end_too(tokenizer: CodeTokenizer) -> None:
    writer = Writer(tokenizer, (), (" + tax",))
    assert written(tokenizer, "price + tax", writer) == "price"
    assert writer.stopped


@pytest.mark.parametrize("text", ["a\n    return totals\n", "a\n        return total\n"])
def test_a_longer_or_deeper_line_is_no_repeat(tokenizer: CodeTokenizer, text: str) -> None:
    assert written(tokenizer, text, Writer(tokenizer, (), ("\n    return total",))) == text


def test_an_answer_ends_before_a_line_that_is_indented_too_little(tokenizer: CodeTokenizer) -> None:
    writer = Writer(tokenizer, (), (), 4)
    text = "a:\n        b\n\n    c\nd\n"
    assert written(tokenizer, text, writer) == "a:\n        b\n\n    c"


def test_the_stop_string_at_which_it_ended_is_known(tokenizer: CodeTokenizer) -> None:
    writer = Writer(tokenizer, ("#", "\n\n"))
    assert written(tokenizer, "a\n\n# b", writer) == "a"
    assert writer.stop_word == "\n\n"
