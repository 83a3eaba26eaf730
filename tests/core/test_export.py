from __future__ import annotations

import json
from pathlib import Path

import pytest

from codetune_ui.core.errors import ConfigError, ModelError
from codetune_ui.core.export import Request, check_plain_lora, portable, question
from codetune_ui.core.export_card import licence_of

LORA = {"peft_type": "LORA", "bias": "none", "base_model_name_or_path": "/home/ann/coder"}


def test_a_request_survives_json() -> None:
    request = Request(run="calm-otter", format="gguf", to="/tmp/out", quant="q8_0", accepted=True)
    assert Request.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_the_usual_number_format_of_gguf_is_q8_0() -> None:
    assert Request(run="r", format="gguf", to="d").number_format == "q8_0"
    assert Request(run="r", format="gguf-adapter", to="d").number_format == "f16"
    assert Request(run="r", format="merged", to="d").number_format == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"format": "onnx"}, "no export format 'onnx'"),
        ({"quant": "q4_k_m"}, "gguf has no number format 'q4_k_m'. Choose one of: q8_0"),
        ({"format": "adapter", "quant": "f16"}, "adapter has no number format 'f16'. Leave"),
        ({"to": "hub:tuned"}, "names no Hub repository. Write hub:OWNER/NAME"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_sentence(
    wrong: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Request(**{"run": "r", "format": "gguf", "to": "d", **wrong})  # type: ignore[arg-type]


def test_a_hub_repository_is_told_from_a_folder() -> None:
    assert Request(run="r", format="adapter", to="hub:ann/tuned").repository == "ann/tuned"
    assert Request(run="r", format="adapter", to="hub/tuned").repository == ""


# --- the question before an export


def test_a_worse_adapter_is_asked_about_with_its_figures() -> None:
    worse = {
        "verdict": "worse",
        "holes": 200,
        "base": {"exact_match": 0.31, "edit_similarity": None},
        "adapter": {"exact_match": 0.205, "edit_similarity": 0.4},
    }
    assert question("calm-otter", worse) == (
        "The adapter of 'calm-otter' is worse than its base: "
        "exact match 0.205 against 0.310, on 200 holes."
    )


@pytest.mark.parametrize("verdict", ["better", "no difference"])
def test_any_other_verdict_is_not_asked_about(verdict: str) -> None:
    assert question("calm-otter", {"verdict": verdict}) == ""


def test_an_evaluation_of_an_earlier_adapter_does_not_count() -> None:
    assert "older than its adapter" in question("r", {"verdict": "better"}, outdated=True)


# --- the adapter's own settings


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"use_dora": True}, "a DoRA"),
        ({"bias": "all"}, "with biases"),
        ({"modules_to_save": ["lm_head"]}, "trains whole layers"),
        ({"peft_type": "LOHA"}, "no LoRA"),
        ({"fan_in_fan_out": True}, "transposed"),
    ],
)
def test_an_adapter_that_is_no_plain_lora_is_refused(changes: dict[str, object], what: str) -> None:
    check_plain_lora(LORA)
    with pytest.raises(ModelError, match=what):
        check_plain_lora(LORA | changes)


def test_an_exported_adapter_names_no_folder_of_this_machine() -> None:
    assert portable(LORA)["base_model_name_or_path"] == "coder"
    assert (
        portable({**LORA, "base_model_name_or_path": "C:\\m\\coder"})["base_model_name_or_path"]
        == "coder"
    )
    hub = {**LORA, "base_model_name_or_path": "Qwen/Qwen2.5-Coder-0.5B"}
    assert portable(hub) == hub


def test_the_licence_is_the_one_that_is_known_or_that_the_base_says(tmp_path: Path) -> None:
    assert licence_of("bigcode/starcoderbase-1b", tmp_path) == "BigCode OpenRAIL-M"
    assert licence_of("coder", tmp_path) == ""
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n", encoding="utf-8")
    assert licence_of("coder", tmp_path) == "apache-2.0"
