from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from codetune_ui.core.errors import ModelError
from codetune_ui.core.tokens import CodeTokenizer, chars_per_token
from tests.tiny import build_tokenizer

NASTY = [
    "",
    "a\r\nb\r\n",
    "\tif x:\n\t\treturn 1\n",
    "x = '🦀👩‍👩‍👧'\n",
    "zero\x00byte",
    "\u0301 lone accent",
    "ﬁ ½ Ω Å",
    "        1\n   22\n",
    "<fim_prefix>def f():<|endoftext|>",
    "\ufeff# mark",
]


def describe(tokenizer: Path | Tokenizer) -> dict[str, Any]:
    found = tokenizer.to_str() if isinstance(tokenizer, Tokenizer) else tokenizer.read_text("utf-8")
    description: dict[str, Any] = json.loads(found)
    return description


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> CodeTokenizer:
    return CodeTokenizer.from_folder(tiny_tokenizer)


def sentence_piece() -> Tokenizer:
    """Build a SentencePiece look-alike: dummy space, byte fallback, `<s>` in the vocabulary."""
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3}
    vocab |= {f"<0x{byte:02X}>": 4 + byte for byte in range(256)}
    vocab |= {char: 260 + place for place, char in enumerate("abcdefx=():\n")}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.add_tokens([AddedToken("▁<PRE>", normalized=False)])
    return tokenizer


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_comes_back_as_it_was(tokenizer: CodeTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text(max_size=80))
def test_any_text_comes_back_as_it_was(tokenizer: CodeTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text(st.sampled_from(" abx\n\t=é🦀<>s/"), max_size=40))
@settings(max_examples=60)
def test_a_sentence_piece_text_comes_back_with_its_spaces(text: str) -> None:
    tokenizer = CodeTokenizer(describe(sentence_piece()))
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.encode(text, continues=True), continues=True) == text


def test_a_continued_text_gets_no_dummy_space() -> None:
    tokenizer = CodeTokenizer(describe(sentence_piece()))
    assert tokenizer.has_dummy_space
    assert tokenizer.encode("ab") == [3, 260, 261]
    assert tokenizer.encode("ab", continues=True) == [260, 261]
    assert tokenizer.encode(" ab", continues=True) == [3, 260, 261]


@pytest.mark.parametrize("text", ["<s>", "</s>", "▁<PRE>a"])
def test_sentence_piece_control_text_is_text(text: str) -> None:
    tokenizer = CodeTokenizer(describe(sentence_piece()))
    assert not any(tokenizer.is_control(token) for token in tokenizer.encode(text))


def test_a_lone_surrogate_is_replaced(tokenizer: CodeTokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


def test_control_text_in_code_stays_text(tokenizer: CodeTokenizer) -> None:
    ids = tokenizer.encode("<fim_prefix>")
    assert tokenizer.token_id("<fim_prefix>") == 1
    assert 1 not in ids
    assert len(ids) > 1
    assert tokenizer.decode(ids) == "<fim_prefix>"


def test_fim_tokens_that_are_not_special_are_control_all_the_same(tmp_path: Path) -> None:
    description = describe(build_tokenizer(tmp_path) / "tokenizer.json")
    first = len(description["model"]["vocab"])
    for place, token in enumerate(["<|fim_prefix|>", "<|fim_middle|>", "[PREFIX]", "    "]):
        description["added_tokens"].append(
            {
                "id": first + place,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": False,
            }
        )
    tokenizer = CodeTokenizer(description)
    assert tokenizer.token_id("<|fim_prefix|>") == first
    ids = tokenizer.encode("<|fim_prefix|> <|fim_middle|>[PREFIX]")
    assert max(ids) < first
    assert tokenizer.encode("    ") == [first + 3]  # spaces steer nothing, and stay a token
    assert tokenizer.decode([first, *tokenizer.encode("a"), first + 1]) == (
        "<|fim_prefix|>a<|fim_middle|>"
    )
    assert tokenizer.vocab_size == first + 4


def test_control_tokens_are_left_out_of_a_text_on_request(tokenizer: CodeTokenizer) -> None:
    ids = [1, *tokenizer.encode("add"), 0]
    assert tokenizer.decode(ids) == "<fim_prefix>add<|endoftext|>"
    assert tokenizer.decode(ids, skip_control=True) == "add"


def test_a_byte_level_tokenizer_puts_no_space_before_a_text(tokenizer: CodeTokenizer) -> None:
    assert not tokenizer.has_dummy_space
    assert tokenizer.encode("ab", continues=True) == tokenizer.encode("ab")


def test_ordinary_text_has_the_ids_of_the_file_itself(
    tokenizer: CodeTokenizer, tiny_tokenizer: Path
) -> None:
    verbatim = Tokenizer.from_file(str(tiny_tokenizer / "tokenizer.json"))
    for text in NASTY:
        if "<" not in text:
            assert tokenizer.encode(text) == verbatim.encode(text, add_special_tokens=False).ids


def test_truncation_stored_in_the_file_cuts_nothing(tiny_tokenizer: Path) -> None:
    verbatim = Tokenizer.from_file(str(tiny_tokenizer / "tokenizer.json"))
    verbatim.enable_truncation(4)
    verbatim.enable_padding(length=16)
    tokenizer = CodeTokenizer(describe(verbatim))
    assert tokenizer.decode(tokenizer.encode("one two three four")) == "one two three four"


def test_a_piece_of_a_unigram_vocabulary_that_is_control_is_never_read() -> None:
    unigram = Tokenizer(
        models.Unigram([("<unk>", -9.0), ("<s>", -0.1), ("<", -2.0), ("s", -2.0), (">", -2.0)], 0)
    )
    unigram.add_special_tokens(["<s>"])
    assert CodeTokenizer(describe(unigram)).encode("<s>") == [2, 3, 4]


def test_the_start_token_is_the_one_the_tokenizer_itself_adds(tiny_tokenizer: Path) -> None:
    description = describe(tiny_tokenizer / "tokenizer.json")
    assert CodeTokenizer(description).bos_id is None
    description["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<filename>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            "<filename>": {"id": "<filename>", "ids": [5], "tokens": ["<filename>"]}
        },
    }
    tokenizer = CodeTokenizer(description)
    assert tokenizer.bos_id == 5
    assert 5 not in tokenizer.encode("a")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer_config.json", {"eos_token": "<|endoftext|>"}),
        ("tokenizer_config.json", {"eos_token": {"content": "<|endoftext|>"}}),
        ("special_tokens_map.json", {"eos_token": "<|endoftext|>"}),
        ("config.json", {"eos_token_id": 0}),
        ("config.json", {"eos_token_id": [0, 3]}),
    ],
)
def test_the_end_of_a_document_is_read_from_the_models_files(
    tmp_path: Path, file: str, content: dict[str, Any]
) -> None:
    build_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / file).write_text(json.dumps(content), encoding="utf-8")
    assert CodeTokenizer.from_folder(tmp_path).eos_id == 0


def test_byte_lengths_add_up_to_the_text(tokenizer: CodeTokenizer) -> None:
    text = "def f():\n    return 'é🦀'\n"
    lengths = tokenizer.token_lengths[tokenizer.encode(text)]
    assert lengths.sum() == len(text.encode())


def test_a_token_inside_a_character_is_shown_as_its_bytes(tokenizer: CodeTokenizer) -> None:
    ids = tokenizer.encode("🦀")
    assert [tokenizer.token_text(token) for token in ids] == ["\\xf0", "\\x9f", "\\xa6", "\\x80"]
    assert [tokenizer.begins_character(token) for token in ids] == [True, False, False, False]
    assert tokenizer.token_text(1) == "<fim_prefix>"
    assert tokenizer.token_text(99_999) == ""


def test_a_folder_without_a_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        CodeTokenizer.from_folder(tmp_path)


def test_a_broken_tokenizer_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "Nothing"}}', encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        CodeTokenizer.from_folder(tmp_path)


def test_characters_per_token(tokenizer: CodeTokenizer) -> None:
    texts = ["def add(", "return left"]
    tokens = sum(len(tokenizer.encode(text)) for text in texts)
    assert chars_per_token(tokenizer, texts) == 19 / tokens
    assert chars_per_token(tokenizer, []) == 0.0


def test_pre_tokenizers_with_a_space_of_their_own_keep_texts_as_they_are() -> None:
    words = Tokenizer(models.BPE(vocab={"a": 0, "Ġ": 1, "x": 2}, merges=[]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    words.decoder = decoders.ByteLevel()
    tokenizer = CodeTokenizer(describe(words))
    assert tokenizer.decode(tokenizer.encode("a x")) == "a x"
