from __future__ import annotations

import json
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.presets import preset
from codetune_ui.runs.cards import Card
from codetune_ui.ui.model_view import Check, checklist, find_folder, look, render
from tests.tiny import build_tokenizer

H200 = Card("H200", 1.0, 139.8)
SHAPE = (
    '{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,'
    ' "intermediate_size": 128, "vocab_size": 512, "max_position_embeddings": 512}'
)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def folder(path: Path, **tokens: list[str]) -> Path:
    build_tokenizer(path, **tokens)
    (path / "config.json").write_text(SHAPE)
    (path / "model.safetensors").write_bytes(b"0" * 2048)
    return path


def test_a_known_model_is_described_without_the_network() -> None:
    view = look(preset("guide"), H200, 32.0)
    assert (view.parameters, view.context) == ("1.14 B", "8,192")
    assert view.disk == "needs the network once: 2.0 GiB"
    format, memory, gate = view.checks
    assert format.chips == ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
    assert memory.kind == "ok"
    assert memory.text.startswith("Needs about 26.9 of 139.8 GiB (H200): weights 0.82, adapter")
    assert "huggingface.co" in gate.text


def test_what_does_not_fit_says_what_to_try() -> None:
    memory = look(preset("guide"), None, 4.0).checks[1]
    assert memory.kind == "bad"
    assert "of 4.0 GiB (RAM, no GPU here)" in memory.text
    assert "fewer rows per pass" in memory.text


def test_a_folder_with_fim_tokens_is_ready(tmp_path: Path) -> None:
    place = folder(tmp_path / "m")
    view = look(Config(base_model=str(place), family="starcoder"), None, 8.0)
    assert view.disk == "2.0 KiB on disk"
    assert view.checks[0].kind == "ok"
    assert view.checks[0].text.startswith("FIM tokens found: StarCoder")
    assert "<fim_middle>" in view.checks[0].chips


def test_a_folder_without_fim_tokens_says_the_way_out(tmp_path: Path) -> None:
    place = folder(tmp_path / "m", special_tokens=["<|endoftext|>"])
    config = Config(base_model=str(place))
    [format, _] = look(config, None, 8.0).checks
    assert format.kind == "bad"
    assert "Train left to right only" in format.text
    [format, _] = look(config.replace(left_to_right=True), None, 8.0).checks
    assert (format.kind, format.text[:24]) == ("", "Trained left to right on")


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    view = look(Config(base_model=str(tmp_path / "m")), None, 8.0)
    assert view.checks[0] == Check("bad", "This folder holds no tokenizer.json.")
    assert view.checks[1].kind == ""


def test_a_hub_id_nobody_knows_is_no_error() -> None:
    view = look(Config(base_model="somebody/model"), None, 8.0)
    assert (view.parameters, view.disk) == ("", "needs the network once")
    assert [check.kind for check in view.checks] == ["", ""]


@pytest.mark.parametrize("name", ["/no/such/model", "a/b/c", "", "~nobody-here", "a" * 300])
def test_half_a_name_finds_no_folder(name: str) -> None:
    assert find_folder(Config(base_model=name)) is None


def test_a_model_in_the_hubs_cache_is_on_disk(tmp_path: Path) -> None:
    repo = tmp_path / "hub" / "models--me--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("abc")
    folder(repo / "snapshots" / "abc")
    found = find_folder(Config(base_model="me/tiny"))
    assert found == repo / "snapshots" / "abc"


def test_the_markup_is_escaped() -> None:
    view = look(Config(base_model="somebody/model"), None, 8.0)
    assert "<dt>Parameters" not in render(view)
    assert checklist((Check("ok", "<b>", ("<x>",)),)) == (
        '<ul class="m-checks"><li class="ok">&lt;b&gt; <code>&lt;x&gt;</code></li></ul>'
    )


def test_what_a_model_would_run_is_shown_and_how_to_allow_it(tmp_path: Path) -> None:
    place = folder(tmp_path / "m")
    values = json.loads(SHAPE) | {"auto_map": {"AutoModelForCausalLM": "modeling_m.M"}}
    (place / "config.json").write_text(json.dumps(values))
    (place / "modeling_m.py").write_text("print('<b>')\n")
    view = look(Config(base_model=str(place)), None, 8.0)
    assert "which is not run" in view.checks[-1].text
    (fingerprint,) = view.checks[-1].chips
    markup = render(view)
    assert "<summary>modeling_m.py, 1 line</summary>" in markup
    assert "print(&#x27;&lt;b&gt;&#x27;)" in markup
    allowed = look(Config(base_model=str(place), allow_code=fingerprint), None, 8.0)
    assert allowed.checks[-1].kind == "ok"
