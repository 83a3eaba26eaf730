from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace

import pytest
import yaml  # type: ignore[import-untyped]

from codetune_ui.core.editors import EDITORS, Access, name_editor, snippet, snippets
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.families import FAMILIES
from codetune_ui.core.templates import read_template

ACCESS = Access("http://127.0.0.1:8012", "t'ok_-en", "codetune-otter.1", "starcoder")


def text(editor: str) -> str:
    return snippet(editor, ACCESS).text


def test_every_editor_has_a_snippet() -> None:
    assert tuple(one.editor for one in snippets(ACCESS)) == EDITORS
    names = "continue llama.vscode llama.vim minuet zed twinny tabby"
    assert " ".join(EDITORS) == names


@pytest.mark.parametrize("editor", EDITORS)
def test_a_snippet_or_its_note_holds_address_token_and_name(editor: str) -> None:
    plain = snippet(editor, replace(ACCESS, token="tok_-en"))
    whole = plain.text + plain.note
    assert "127.0.0.1" in plain.text
    assert "8012" in plain.text
    assert "tok_-en" in whole
    assert "codetune-otter.1" in whole


def test_another_editor_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"There is no editor 'nano'. Choose continue, llama.vs"):
        snippet("nano", ACCESS)


def test_continue_never_asks_the_cloud() -> None:
    (model,) = yaml.safe_load(text("continue"))["models"]
    assert model == {
        "name": "codetune-otter.1",
        "provider": "mistral",
        "model": "codetune-otter.1",
        "apiBase": "http://127.0.0.1:8012/v1",
        "apiKey": "t'ok_-en",
        "roles": ["autocomplete"],
    }


def test_llama_vscode_s_settings() -> None:
    assert json.loads(text("llama.vscode")) == {
        "llama-vscode.endpoint": "http://127.0.0.1:8012",
        "llama-vscode.api_key": "t'ok_-en",
        "llama-vscode.ai_model": "codetune-otter.1",
    }


def test_llama_vim_s_dictionary() -> None:
    found = text("llama.vim")
    pairs = re.findall(r"\\ '(\w+)': '((?:[^']|'')*)',", found)
    assert pairs == [
        ("endpoint_fim", "http://127.0.0.1:8012/infill"),
        ("api_key", "t''ok_-en"),
        ("model_fim", "codetune-otter.1"),
    ]


def test_minuet_s_table_is_closed_and_names_the_variable() -> None:
    found = text("minuet")
    bare = re.sub(r"--[^\n]*|'(?:[^'\\]|\\.)*'", "", found)
    assert "'" not in bare
    assert bare.count("{") == bare.count("}") == 4
    assert "vim.env.CODETUNE_API_KEY = 't\\'ok_-en'" in found
    assert "api_key = 'CODETUNE_API_KEY'" in found
    assert "end_point = 'http://127.0.0.1:8012/v1/completions'" in found


def test_zed_writes_the_family_s_tokens() -> None:
    found = json.loads(text("zed"))["edit_predictions"]
    assert found["provider"] == "open_ai_compatible_api"
    assert found["open_ai_compatible_api"] == {
        "api_url": "http://127.0.0.1:8012/v1/completions",
        "model": "codetune-otter.1",
        "prompt_format": "star_coder",
        "max_output_tokens": 64,
    }


ZED_WRITES = {  # crates/edit_prediction/src/fim.rs
    "code_llama": "<PRE> a <SUF>b <MID>",
    "star_coder": "<fim_prefix>a<fim_suffix>b<fim_middle>",
    "deepseek_coder": "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>",
    "qwen": "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
    "codestral": "[SUFFIX]b[PREFIX]a",
}


@pytest.mark.parametrize("family", ["", *FAMILIES])
def test_what_zed_is_told_to_write_is_read_back_for_every_family(family: str) -> None:
    found = json.loads(snippet("zed", replace(ACCESS, family=family)).text)
    how = found["edit_predictions"]["open_ai_compatible_api"]["prompt_format"]
    assert read_template(ZED_WRITES[how]) == ("a", "b")


def test_tabby_s_file() -> None:
    assert tomllib.loads(text("tabby")) == {
        "server": {"endpoint": "http://127.0.0.1:8012", "token": "t'ok_-en"}
    }


def test_twinny_s_form() -> None:
    rows = dict(line.split(": ", 1) for line in text("twinny").splitlines())
    assert rows["Hostname"] == "127.0.0.1"
    assert rows["Port"] == "8012"
    assert rows["API path"] == "/v1/completions"
    assert rows["FIM template"] == "starcoder"


@pytest.mark.parametrize(
    ("agent", "path", "has_key", "editor"),
    [
        ("node-fetch", "/v1/fim/completions", True, "Continue"),
        ("curl/8.5.0", "/infill", False, "llama.vim"),
        ("axios/1.7.9", "/infill", False, "llama.vscode"),
        ("curl/8.5.0", "/v1/completions", False, "minuet"),
        ("Zed/0.210.0 (linux; x86_64)", "/v1/completions", False, "Zed"),
        ("ollama-python/0.6.3 (x86_64)", "/api/generate", False, "ollama-python"),
    ],
)
def test_an_editor_is_told_by_how_it_asks(
    agent: str, path: str, has_key: bool, editor: str
) -> None:
    assert name_editor(agent, path, has_api_key=has_key) == editor
