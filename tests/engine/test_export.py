from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from codetune_ui.core.errors import MachineError, ModelError, RunError
from codetune_ui.core.export import MANIFEST
from codetune_ui.core.gguf_shapes import GgufShape
from codetune_ui.engine import export_check, export_gguf
from codetune_ui.engine.export_gguf import read_keys
from codetune_ui.engine.model import quiet_peft
from codetune_ui.engine.report import StopRequested
from codetune_ui.runs.exports import exports
from tests.engine.exporting import KINDS, build_base, export_here, exportable

GGUF_NAMES = {"llama": "llama", "qwen2": "qwen2", "gpt_bigcode": "starcoder"} | {
    "starcoder2": "starcoder2"
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_check, "HOLE_TOKENS", 12)
    # the best tokens of a random model lie closer together than those of a trained one
    monkeypatch.setattr(export_check, "AGREEMENT", 0.9)


@pytest.fixture(scope="module", params=KINDS)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("llama"), "llama")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- every kind of export of every shape


def test_the_adapter_opens_with_peft(base: Path, home: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run = exportable(home, base)
    found = export_here(run, "adapter", tmp_path / "out")
    assert found["check"]["answers"] == "same"
    assert found["check"]["same_text"] == 6
    out = tmp_path / "out"
    assert names(out) == {"README.md", MANIFEST, "adapter_config.json", "adapter_model.safetensors"}
    assert str(base.parent) not in (out / "adapter_config.json").read_text("utf-8")
    with quiet_peft():
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out)


def test_merged_weights_answer_as_the_adapter_does(base: Path, home: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = export_here(exportable(home, base), "merged", tmp_path / "out")
    assert set(found["bases"]["held_out_loss"]) == {"dequantised", "16-bit"}
    kept = found["bases"]["kept"]
    assert found["bases"]["held_out_loss"][kept] == min(found["bases"]["held_out_loss"].values())
    assert found["check"]["answers"] in ("same", "alike")
    out = tmp_path / "out"
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.dtype == torch.bfloat16
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert AutoTokenizer.from_pretrained(out).convert_tokens_to_ids("<fim_middle>") == 2


def test_gguf_answers_as_the_adapter_does(base: Path, home: Path, tmp_path: Path) -> None:
    found = export_here(exportable(home, base), "gguf", tmp_path / "out", quant="f32")
    assert found["check"]["answers"] == "same"
    keys = read_keys(tmp_path / "out" / "tuned-f32.gguf")
    kind = json.loads((base / "config.json").read_text("utf-8"))["model_type"]
    assert keys["general.architecture"] == GGUF_NAMES[kind]
    assert keys[f"{GGUF_NAMES[kind]}.block_count"] == 2
    assert keys["general.name"] == "codetune-tuned"
    assert keys["tokenizer.ggml.pre"] == "starcoder"
    assert keys["tokenizer.ggml.eot_token_id"] == 0
    ids = [keys[f"tokenizer.ggml.fim_{part}_token_id"] for part in ("pre", "suf", "mid", "pad")]
    assert ids == [1, 3, 2, 4]
    assert keys["tokenizer.ggml.token_type"][:8] == [3, 3, 3, 3, 3, 3, 3, 1]
    assert not keys["tokenizer.ggml.add_bos_token"]


@pytest.mark.parametrize("quant", ["f16", "bf16", "q8_0", "q4_0"])
def test_gguf_in_fewer_bits_says_how_far_it_agrees(
    llama: Path, home: Path, tmp_path: Path, quant: str
) -> None:
    found = export_here(exportable(home, llama), "gguf", tmp_path / "out", quant=quant)
    assert found["quant"] == quant
    assert 0.5 < found["check"]["agreement"] <= 1.0
    if quant != "q4_0":
        assert found["check"]["answers"] in ("same", "alike")
    assert f"{100 * found['check']['agreement']:.1f} %" in found["check"]["sentence"]


def test_an_adapter_as_gguf_adds_what_the_adapter_adds(
    base: Path, home: Path, tmp_path: Path
) -> None:
    run = exportable(home, base)
    found = export_here(run, "gguf-adapter", tmp_path / "out", quant="f32")
    assert found["check"]["answers"] == "same"
    keys = read_keys(tmp_path / "out" / "tuned-lora-f32.gguf")
    assert keys["general.type"] == "adapter"
    assert keys["adapter.type"] == "lora"
    assert keys["adapter.lora.alpha"] == 8.0


# --- what else an export has to be


def test_an_ollama_model_reads_holes_in_the_order_it_was_trained_in(
    llama: Path, home: Path, tmp_path: Path
) -> None:
    export_here(exportable(home, llama), "ollama", tmp_path / "out", quant="f16")
    lines = (tmp_path / "out" / "Modelfile").read_text("utf-8").splitlines()
    assert lines[0] == "FROM ./tuned-f16.gguf"
    assert lines[1] == (
        'TEMPLATE """{{- if .Suffix }}<fim_prefix>{{ .Prompt }}<fim_suffix>{{ .Suffix }}'
        '<fim_middle>{{- else }}{{ .Prompt }}{{- end }}"""'
    )
    assert 'PARAMETER stop "<fim_middle>"' in lines
    assert lines[-1] == "PARAMETER num_ctx 512"


def test_the_manifest_has_the_hash_of_every_other_file(
    llama: Path, home: Path, tmp_path: Path
) -> None:
    import hashlib

    (llama / "LICENSE").write_text("Do as you like.", encoding="utf-8")
    run = exportable(home, llama)
    out = tmp_path / "deep" / "out"
    export_here(run, "adapter", out)
    (llama / "LICENSE").unlink()
    manifest = json.loads((out / MANIFEST).read_text("utf-8"))
    assert set(manifest["files"]) == names(out) - {MANIFEST}
    assert "LICENSE" in manifest["files"]
    for name, about in manifest["files"].items():
        data = (out / name).read_bytes()
        assert about == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (known,) = exports(run)
    assert (known["to"], known["format"], known["there"]) == (str(out), "adapter", True)


def test_the_readme_holds_no_path_and_no_code(llama: Path, home: Path, tmp_path: Path) -> None:
    export_here(exportable(home, llama), "adapter", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "Treat it as confidential" in text
    assert "Python 2" in text
    for private in (str(llama.parent), str(home), "pond.py", "step_1"):
        assert private not in text


def test_a_wish_to_stop_leaves_nothing_behind(
    llama: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = export_gguf.write_model

    def stop_then_write(path: Path, *rest: Any) -> None:
        (job,) = (run.home.path / "exports").iterdir()
        (job / "stop").write_text("discard", encoding="utf-8")
        written(path, *rest)

    run = exportable(home, llama)
    monkeypatch.setattr(export_gguf, "write_model", stop_then_write)
    with pytest.raises(StopRequested):
        export_here(run, "gguf", tmp_path / "place" / "out")
    assert list((tmp_path / "place").iterdir()) == []
    assert exports(run) == []


def test_what_a_killed_export_left_is_cleared_by_the_next(
    llama: Path, home: Path, tmp_path: Path
) -> None:
    left = tmp_path / "place" / ".out.partial-0badcafe"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"0" * 99)
    export_here(exportable(home, llama), "adapter", tmp_path / "place" / "out")
    assert names(tmp_path / "place") == {"out"}


def test_an_export_is_replaced_only_when_that_is_asked(
    llama: Path, home: Path, tmp_path: Path
) -> None:
    run = exportable(home, llama)
    export_here(run, "adapter", tmp_path / "out")
    with pytest.raises(RunError, match="holds an export already"):
        export_here(run, "adapter", tmp_path / "out")
    export_here(run, "gguf-adapter", tmp_path / "out", overwrite=True)
    assert "tuned-lora-f16.gguf" in names(tmp_path / "out")
    assert "adapter_model.safetensors" not in names(tmp_path / "out")
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_run_without_four_bit_is_merged_into_its_own_base_only(
    llama: Path, home: Path, tmp_path: Path
) -> None:
    found = export_here(exportable(home, llama, quant="none"), "merged", tmp_path / "out")
    assert found["bases"]["kept"] == "16-bit"
    assert list(found["bases"]["held_out_loss"]) == ["16-bit"]


def test_merged_weights_can_have_another_number_format(
    llama: Path, home: Path, tmp_path: Path
) -> None:
    found = export_here(exportable(home, llama), "merged", tmp_path / "out", quant="f32")
    assert found["check"]["answers"] == "same"
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}
    settings = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert settings["dtype"] == "float32"


# --- what is refused


def test_a_shape_that_gguf_does_not_know_here_is_refused_before_torch_is_used(
    llama: Path, home: Path, tmp_path: Path
) -> None:
    run = exportable(home, llama)
    path = llama / "config.json"
    was = path.read_text("utf-8")
    path.write_text(was.replace('"llama"', '"falcon"'), encoding="utf-8")
    try:
        with pytest.raises(ModelError, match="type 'falcon' cannot be written as GGUF here"):
            export_here(run, "gguf", tmp_path / "out")
    finally:
        path.write_text(was, encoding="utf-8")
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_model_is_refused(llama: Path, home: Path, tmp_path: Path) -> None:
    run = exportable(home, llama)
    path = run.adapter_dir / "adapter_model.safetensors"
    weights = load_file(path)
    from safetensors.torch import save_file

    save_file({k.replace("layers.1", "layers.7"): v for k, v in weights.items()}, path)
    with pytest.raises(ModelError, match="does not fit this base model"):
        export_here(run, "merged", tmp_path / "out")


def test_an_export_that_answers_otherwise_is_not_kept(
    llama: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GgufShape, "laid_out", lambda _self, _name, weight: weight[::-1].copy())
    with pytest.raises(ModelError, match="does not answer as the adapter does"):
        export_here(exportable(home, llama), "gguf", tmp_path / "out", quant="f32")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_said_before_anything_is_written(
    llama: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(MachineError, match="The disk is too full"):
        export_here(exportable(home, llama), "merged", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_upload_without_a_token_is_refused(
    llama: Path, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with pytest.raises(MachineError, match="needs a token of the Hub"):
        export_here(exportable(home, llama), "adapter", "hub:someone/tuned")
