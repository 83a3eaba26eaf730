from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.errors import ModelError
from codetune_ui.core.parity import PROBES, check_parity, first_difference
from codetune_ui.core.tokens import CodeTokenizer
from tests.tiny import build_tokenizer


def codes(text: str) -> list[int]:
    """Read a text as a stand-in for a tokenizer: one id a character."""
    return [ord(char) for char in text]


def without_tabs(text: str) -> list[int]:
    return [ord(char) for char in text if char != "\t"]


def test_equal_tokenizers_pass() -> None:
    check_parity(codes, codes, {}, "model")
    assert first_difference(codes, codes, PROBES) is None


def test_a_difference_is_shown_with_both_readings() -> None:
    with pytest.raises(ModelError) as caught:
        check_parity(without_tabs, codes, {}, "model")
    assert str(caught.value).startswith(
        "The tokenizer in 'model' reads ' f(x):\\n\\treturn' as [32, 102, 40, 120, "
    )


def test_the_example_is_the_word_that_differs() -> None:
    found = first_difference(without_tabs, codes, ["one two\tthree four"])
    assert found == (" two\tthree", codes(" twothree"), codes(" two\tthree"))


def test_each_probe_holds_a_trouble_of_its_own() -> None:
    troubles = ["\t", "\r\n", "    2", "0xFF", "  \n", "\n\n\n", "½", "語", "🦀", "\ufeff", "\x00"]
    assert all(any(trouble in probe for probe in PROBES) for trouble in troubles)


def test_a_control_token_that_code_could_write_is_refused() -> None:
    def reads_it(text: str) -> list[int]:
        return [7] if text == "<mid>" else codes(text)

    with pytest.raises(ModelError, match=r"Code that spells <mid> would become a control token"):
        check_parity(reads_it, codes, {"<mid>": 7}, "model")


def test_a_probe_with_a_control_token_in_it_is_no_difference() -> None:
    def reads_it(text: str) -> list[int]:
        return [7] if "0xFF" in text else codes(text)

    check_parity(codes, reads_it, {"0xFF": 7}, "model")


def test_a_tokenizer_is_checked_when_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_tokenizer(tmp_path)
    read = CodeTokenizer.encode_batch

    def wrong(self: CodeTokenizer, texts: Any, **how: Any) -> list[list[int]]:
        return read(self, [text.replace("\r\n", "\n") for text in texts], **how)

    monkeypatch.setattr(CodeTokenizer, "encode_batch", wrong)
    with pytest.raises(ModelError, match=r"reads 'a\\r\\nb\\r\\n\\r\\n' as"):
        CodeTokenizer.from_folder(tmp_path)


def test_a_normalised_tokenizer_passes(tmp_path: Path) -> None:
    build_tokenizer(tmp_path)
    path = tmp_path / "tokenizer.json"
    description = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**description, "normalizer": {"type": "NFC"}}), encoding="utf-8")
    tokenizer = CodeTokenizer.from_folder(tmp_path)
    assert tokenizer.decode(tokenizer.encode("e\u0301")) == "é"


@pytest.mark.parametrize("name", ["starcoder", "starcoder2", "deepseek-coder"])
def test_real_vocabularies_pass(name: str, real_tokenizers: Path) -> None:
    tokenizer = CodeTokenizer.from_folder(real_tokenizers / name)
    assert all(tokenizer.decode(tokenizer.encode(probe)) == probe for probe in PROBES)


def test_control_text_that_the_model_writes_stays_in_its_answer(tmp_path: Path) -> None:
    tokenizer = CodeTokenizer.from_folder(build_tokenizer(tmp_path))
    text = "s = '<fim_middle>' # <|endoftext|>"
    assert tokenizer.decode([1, *tokenizer.encode(text), 0], skip_control=True) == text
