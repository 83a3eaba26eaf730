from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError
from codetune_ui.core.families import find_format
from codetune_ui.core.gguf_tokens import CONTROL, NORMAL, TEXT, UNUSED, cut_of, gguf_tokens
from codetune_ui.core.tokens import CodeTokenizer
from tests.tiny import build_tokenizer

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def several(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def split(expression: str) -> dict[str, Any]:
    pattern = {"Regex": expression}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize(
    ("pre_tokenizer", "name"),
    [
        (GPT2, "gpt-2"),
        (several(DIGITS, GPT2), "starcoder"),
        (several(split(QWEN2), BYTES), "qwen2"),
        (several(split(QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)), BYTES), "llama-bpe"),
    ],
)
def test_the_way_a_text_is_cut_has_a_name_in_llama_cpp(
    pre_tokenizer: dict[str, Any], name: str
) -> None:
    assert cut_of(pre_tokenizer) == name


@pytest.mark.parametrize(
    "pre_tokenizer", [None, several(split(r"\w+"), BYTES), {**GPT2, "add_prefix_space": True}]
)
def test_another_way_is_refused(pre_tokenizer: dict[str, Any] | None) -> None:
    with pytest.raises(ModelError, match="cuts no text the way"):
        cut_of(pre_tokenizer)


def change(folder: Path, **parts: Any) -> None:
    path = folder / "tokenizer.json"
    found = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(found | parts), encoding="utf-8")


def test_tokens_have_their_kinds_and_fim_its_ids(tmp_path: Path) -> None:
    folder = build_tokenizer(tmp_path)
    added = json.loads((folder / "tokenizer.json").read_text("utf-8"))["added_tokens"]
    size = CodeTokenizer.from_folder(folder).vocab_size
    change(
        folder, added_tokens=[*added, {**added[0], "id": size, "content": "    ", "special": False}]
    )
    tokenizer = CodeTokenizer.from_folder(folder)
    format = find_format(tokenizer, folder, Config(family="starcoder"))
    found = gguf_tokens(folder, format, size + 3)
    assert found.tokens[:3] == ("<|endoftext|>", "<fim_prefix>", "<fim_middle>")
    assert found.tokens[size:] == ("    ", f"[PAD{size + 1}]", f"[PAD{size + 2}]")
    assert set(found.types[:7]) == {CONTROL}
    assert set(found.types[7:size]) == {NORMAL}
    assert found.types[size:] == (TEXT, UNUSED, UNUSED)
    assert found.ids == {
        **{"eos": 0, "eot": 0, "fim_pre": 1, "fim_mid": 2, "fim_suf": 3},
        **{"fim_pad": 4, "fim_sep": 5, "padding": 4},
    }
    assert (found.cut, found.add_bos) == ("starcoder", False)
    left, right = found.merges[0].split(" ")
    assert left + right in found.tokens


def test_a_vocabulary_beyond_the_embedding_is_refused(tmp_path: Path) -> None:
    folder = build_tokenizer(tmp_path)
    with pytest.raises(ModelError, match="more tokens than the model's 100 embedding rows"):
        gguf_tokens(folder, None, 100)


def test_a_tokenizer_that_is_no_byte_level_bpe_is_refused(tmp_path: Path) -> None:
    folder = build_tokenizer(tmp_path)
    model = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    change(folder, model={**model, "byte_fallback": True})
    with pytest.raises(ModelError, match="no byte-level BPE"):
        gguf_tokens(folder, None, 600)
