from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.export_ollama import modelfile, template
from codetune_ui.core.families import FAMILIES, FimFormat, Order, find_format
from codetune_ui.core.tokens import CodeTokenizer


@pytest.fixture
def format(tiny_tokenizer: Path) -> FimFormat:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    found = find_format(tokenizer, tiny_tokenizer, Config(family="starcoder"))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("order", "hole"),
    [
        ("psm", "<fim_prefix>{{ .Prompt }}<fim_suffix>{{ .Suffix }}<fim_middle>"),
        ("spm_v1", "<fim_suffix>{{ .Suffix }}<fim_prefix>{{ .Prompt }}<fim_middle>"),
        ("spm_v2", "<fim_prefix><fim_suffix>{{ .Suffix }}<fim_middle>{{ .Prompt }}"),
    ],
)
def test_a_hole_stands_in_the_order_of_the_family(
    format: FimFormat, order: Order, hole: str
) -> None:
    chosen = replace(format, family=replace(FAMILIES["starcoder"], orders=(order,)))
    assert template(chosen) == ("{{- if .Suffix }}" + hole + "{{- else }}{{ .Prompt }}{{- end }}")


def test_a_model_without_fim_goes_on_from_the_prompt() -> None:
    assert template(None) == "{{ .Prompt }}"


def test_every_token_that_ends_an_answer_is_a_stop(format: FimFormat, tiny_tokenizer: Path) -> None:
    text = modelfile("a.gguf", format, CodeTokenizer.from_folder(tiny_tokenizer), 2048)
    stops = [line.split(" ", 2)[2] for line in text.splitlines() if " stop " in line]
    assert set(stops) >= {
        *('"<|endoftext|>"', '"<fim_prefix>"', '"<fim_suffix>"', '"<fim_middle>"', '"<fim_pad>"')
    }
    assert text.startswith("FROM ./a.gguf\n")
    assert text.endswith("PARAMETER temperature 0\nPARAMETER num_ctx 2048\n")
