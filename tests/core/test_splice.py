from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.splice import END, Known, Piece, encode_pieces, token_starts
from codetune_ui.core.tokens import CodeTokenizer
from tests.tiny import SOME_CODE, write_code

CODE = "".join(SOME_CODE) * 3 + "é = '🦀' * 12\r\n\tif é:\r\n\t\treturn   1\n\n\n\n" * 5


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> CodeTokenizer:
    return CodeTokenizer.from_folder(tiny_tokenizer)


def known(text: str, tokenizer: CodeTokenizer) -> Known:
    ids = tokenizer.encode(text)
    return Known(ids, token_starts(text, ids, tokenizer))


def test_every_piece_has_the_tokens_of_its_text(tokenizer: CodeTokenizer) -> None:
    whole = known(CODE, tokenizer)
    rng = random.Random(0)
    for _ in range(400):
        start, end = sorted(rng.sample(range(len(CODE) + 1), 2))
        piece = Piece(CODE[start:end], whole, start)
        assert encode_pieces([piece], tokenizer) == [tokenizer.encode(CODE[start:end])]


@given(st.text(st.sampled_from("ab_ \t\n\ré🦀(1<"), min_size=400, max_size=700), st.data())
@settings(max_examples=40)
def test_pieces_of_any_text_decode_to_themselves(
    tokenizer: CodeTokenizer, text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, 60))
    end = data.draw(st.integers(330, len(text)))
    (ids,) = encode_pieces([Piece(text[start:end], known(text, tokenizer), start)], tokenizer)
    assert tokenizer.decode(ids) == text[start:end]


def test_only_the_ends_are_encoded_anew(
    tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    encode_batch = tokenizer.encode_batch

    def spy(texts: list[str], *, continues: bool = False) -> list[list[int]]:
        seen.extend(texts)
        return encode_batch(texts, continues=continues)

    whole = known(CODE, tokenizer)
    monkeypatch.setattr(tokenizer, "encode_batch", spy)
    encode_pieces([Piece(CODE[5:-5], whole, 5)], tokenizer)
    assert [len(text) for text in seen] == [END, END]


def test_a_piece_that_agrees_nowhere_is_encoded_whole(tokenizer: CodeTokenizer) -> None:
    other = known("x" * len(CODE), tokenizer)
    assert encode_pieces([Piece(CODE, other, 0)], tokenizer) == [tokenizer.encode(CODE)]


def test_short_and_unknown_pieces_are_encoded_whole(tokenizer: CodeTokenizer) -> None:
    whole = known(CODE, tokenizer)
    pieces = [Piece("def"), Piece(CODE[:50], whole, 0), Piece("")]
    assert encode_pieces(pieces, tokenizer) == [
        tokenizer.encode("def"),
        tokenizer.encode(CODE[:50]),
        [],
    ]


def test_generated_files_are_spliced_exactly(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    rng = random.Random(1)
    for path in sorted(write_code(tmp_path, files=4).rglob("*.py")):
        text = path.read_text("utf-8")
        whole = known(text, tokenizer)
        cuts = sorted(rng.sample(range(len(text)), 2))
        for start, end in ((0, cuts[0]), (cuts[0], cuts[1]), (cuts[1], len(text))):
            piece = Piece(text[start:end], whole, start)
            assert encode_pieces([piece], tokenizer) == [tokenizer.encode(text[start:end])]


@pytest.mark.parametrize(
    ("start", "end", "ends"), [(0, 300, 1), (300, len(CODE), 1), (0, len(CODE), 0), (5, 300, 2)]
)
def test_an_end_that_is_not_cut_is_not_encoded_anew(
    tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch, start: int, end: int, ends: int
) -> None:
    seen: list[str] = []
    encode_batch = tokenizer.encode_batch

    def spy(texts: list[str], *, continues: bool = False) -> list[list[int]]:
        seen.extend(texts)
        return encode_batch(texts, continues=continues)

    ids = tokenizer.encode(CODE)
    whole = Known(ids, token_starts(CODE, ids, tokenizer), CODE)
    expected = tokenizer.encode(CODE[start:end])
    monkeypatch.setattr(tokenizer, "encode_batch", spy)
    assert encode_pieces([Piece(CODE[start:end], whole, start)], tokenizer) == [expected]
    assert [len(text) for text in seen] == [END] * ends
