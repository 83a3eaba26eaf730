from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError, FamilyError
from codetune_ui.core.families import FAMILIES, FimFormat, evidence, find_format
from codetune_ui.core.tokens import CodeTokenizer
from tests.tiny import build_tokenizer

UNDERSCORED = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"]
BARRED = ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
QWEN = [*BARRED, "<|fim_pad|>", "<|endoftext|>", "<|im_end|>", "<|repo_name|>", "<|file_sep|>"]


def model_folder(
    folder: Path, tokens: Sequence[str], model: dict[str, Any] | None = None, **files: Any
) -> Path:
    """Write a tokenizer with these special tokens (ids from 0), a config.json and other files."""
    build_tokenizer(folder, special_tokens=list(tokens))
    for name, content in {"config": model, **files}.items():
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def detect(folder: Path, **settings: Any) -> FimFormat:
    format = find_format(CodeTokenizer.from_folder(folder), folder, Config(**settings))
    assert format is not None
    return format


def test_every_row_of_the_registry_names_itself() -> None:
    assert list(FAMILIES) == [
        "starcoder",
        "santacoder",
        "starcoder2",
        "codellama",
        "deepseek",
        "codegemma",
        "qwen-coder",
        "qwen3-coder",
        "codeqwen",
        "codestral",
        "granite-code",
        "granite3",
        "granite4",
        "stable-code",
        "refact",
        "mellum",
        "seed-coder",
        "aixcoder",
    ]
    assert all(family.name == name for name, family in FAMILIES.items())


@pytest.mark.parametrize(
    ("tokens", "model_type", "name"),
    [
        (UNDERSCORED, "gpt_bigcode", "starcoder"),
        (UNDERSCORED, "starcoder2", "starcoder2"),
        (UNDERSCORED, "gpt_refact", "refact"),
        (QWEN, "qwen2", "qwen-coder"),
        ([*QWEN, "<|im_start|>"], "qwen2", "qwen-coder"),
        ([*QWEN, "<|im_start|>"], "qwen3_moe", "qwen3-coder"),
        (UNDERSCORED, "qwen2", "codeqwen"),
        (UNDERSCORED, "stablelm", "stable-code"),
        (["<|end_of_text|>", *UNDERSCORED[1:]], "granite", "granite3"),
        ([*BARRED, "<|end_of_text|>", "<|fim_pad|>"], "granitemoehybrid", "granite4"),
        ([*BARRED, "<|file_separator|>", "<bos>", "<eos>"], "gemma", "codegemma"),
        (
            ["<|endoftext|>", "<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>"],
            "gpt_bigcode",
            "santacoder",
        ),
        (["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>", "<s>", "</s>"], "llama", "codellama"),
        (
            [
                "<｜fim▁begin｜>",
                "<｜fim▁hole｜>",
                "<｜fim▁end｜>",
                "<｜begin▁of▁sentence｜>",
                "<｜end▁of▁sentence｜>",
            ],
            "llama",
            "deepseek",
        ),
        (
            ["<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>", "<|endoftext|>"],
            "llama",
            "seed-coder",
        ),
        (["[PREFIX]", "[SUFFIX]", "<s>", "</s>"], "mistral", "codestral"),
        (
            ["▁<AIX-SPAN-PRE>", "▁<AIX-SPAN-POST>", "▁<AIX-SPAN-MIDDLE>", "<s>", "</s>"],
            "llama",
            "aixcoder",
        ),
    ],
)
def test_a_family_is_known_by_its_tokens_and_its_models_type(
    tmp_path: Path, tokens: list[str], model_type: str, name: str
) -> None:
    model = {"model_type": model_type, "vocab_size": 512} if model_type else None
    assert detect(model_folder(tmp_path, tokens, model)).family.name == name


def test_tokens_are_found_by_text_and_not_by_place(tmp_path: Path) -> None:
    shuffled = ["<fim_suffix>", "<fim_pad>", "<|endoftext|>", "<fim_middle>", "<fim_prefix>"]
    format = detect(model_folder(tmp_path, shuffled, {"model_type": "gpt_bigcode"}))
    assert (format.prefix_id, format.suffix_id, format.middle_id) == (4, 0, 3)
    assert (format.eot_id, format.pad_id, format.bos_id) == (2, 1, None)
    assert format.stop_ids == (2,)


def test_token_zero_is_a_token(tmp_path: Path) -> None:
    tokens = ["<fim_suffix>", "<fim_prefix>", "<fim_middle>", "<|endoftext|>", "<fim_pad>"]
    assert detect(model_folder(tmp_path, tokens, {"model_type": "gpt_bigcode"})).suffix_id == 0


def test_shared_tokens_in_a_llama_are_not_guessed(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, {"model_type": "llama"})
    with pytest.raises(FamilyError) as caught:
        detect(folder)
    assert str(caught.value) == (
        "These FIM tokens fit more than one family: starcoder, starcoder2, codeqwen, granite-code, "
        "stable-code, refact, mellum. Set 'FIM family' (family) to the one in the model's card."
    )


@pytest.mark.parametrize("model_type", ["", "qwen3", "llama"])
def test_qwens_tokens_in_another_model_are_not_guessed(tmp_path: Path, model_type: str) -> None:
    folder = model_folder(tmp_path, [*QWEN, "<|im_start|>"], {"model_type": model_type})
    with pytest.raises(FamilyError, match=r"more than one family: qwen-coder, qwen3-coder\."):
        detect(folder)


@pytest.mark.parametrize(
    ("repository", "model", "name"),
    [
        ("JetBrains/Mellum-4b-base", {"model_type": "llama"}, "mellum"),
        ("ibm-granite/granite-8b-code-base-4k", {"model_type": "llama"}, "granite-code"),
        (
            "ibm-granite/granite-20b-code-base-8k",
            {"model_type": "gpt_bigcode", "n_layer": 52},
            "granite-code",
        ),
        ("smallcloudai/Refact-1_6B-fim", {}, "refact"),
        ("Qwen/CodeQwen1.5-7B", {}, "codeqwen"),
        ("bigcode/starcoder2-3b", {}, "starcoder2"),
        ("bigcode/starcoderbase-1b", {}, "starcoder"),
        ("stabilityai/stable-code-3b", {}, "stable-code"),
    ],
)
def test_a_repositorys_name_separates_equal_tokens(
    tmp_path: Path, repository: str, model: dict[str, Any], name: str
) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, model)
    assert detect(folder, base_model=repository).family.name == name


def test_a_deep_bigcode_is_a_granite_and_no_starcoder(tmp_path: Path) -> None:
    deep = {"model_type": "gpt_bigcode", "n_layer": 88}
    assert detect(model_folder(tmp_path, UNDERSCORED, deep)).family.orders == ("psm",)


def test_a_name_that_contradicts_the_models_type_is_asked_about(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, {"model_type": "starcoder2"})
    with pytest.raises(FamilyError, match="more than one family"):
        detect(folder, base_model="someone/mellum-tuned")


def test_a_repositorys_owner_is_no_evidence(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, {"model_type": "llama"})
    with pytest.raises(FamilyError, match="more than one family"):
        detect(folder, base_model="mellum/model")


def test_the_setting_decides_between_families(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, {"model_type": "llama"})
    assert detect(folder, family="mellum").family.orders == ("spm_v1",)


def test_a_declaration_beside_the_model_decides(tmp_path: Path) -> None:
    folder = model_folder(
        tmp_path, UNDERSCORED, {"model_type": "llama"}, fim={"family": "granite-code"}
    )
    assert detect(folder).family.name == "granite-code"
    assert detect(folder, family="starcoder").family.name == "starcoder"


def test_a_model_may_bring_a_format_of_its_own(tmp_path: Path) -> None:
    row = {
        "label": "Brine",
        "prefix": "<pre>",
        "suffix": "<suf>",
        "middle": "<mid>",
        "eot": "<end>",
        "orders": ["spm_v2"],
        "stops": ["<end>", "<absent>"],
    }
    folder = model_folder(tmp_path, ["<pre>", "<suf>", "<mid>", "<end>"], fim=row)
    format = detect(folder)
    assert (format.family.label, format.family.orders) == ("Brine", ("spm_v2",))
    assert (format.prefix_id, format.suffix_id, format.middle_id, format.eot_id) == (0, 1, 2, 3)
    assert format.stop_ids == (3,)


WHOLE = {
    "prefix": "<fim_prefix>",
    "suffix": "<fim_suffix>",
    "middle": "<fim_middle>",
    "eot": "<|endoftext|>",
    "orders": ["psm"],
}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prefix": "<P>"}, r"fim.json cannot be used: it lacks suffix, middle, eot, orders\."),
        ({**WHOLE, "colour": "red"}, r"fim.json cannot be used: there is no field 'colour'\."),
        ({**WHOLE, "prefix": 5}, r"fim.json cannot be used: prefix must be a text\."),
        ({**WHOLE, "prefix": ""}, r"fim.json cannot be used: prefix must be a text\."),
        ({**WHOLE, "orders": "psm"}, r"fim.json cannot be used: orders must be a list of texts\."),
        ({**WHOLE, "path_inside_prefix": 1}, r"path_inside_prefix must be true or false\."),
        ({**WHOLE, "orders": ["mps"]}, r"fim.json names no trained order\."),
        ({**WHOLE, "orders": []}, r"fim.json names no trained order\."),
        ({**WHOLE, "suffix": "<fim_prefix>"}, "one and the same"),
        ({**WHOLE, "middle": "<mid>"}, "has no token <mid>"),
        ([1], r"fim.json holds no JSON object\."),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(FamilyError, match=message):
        detect(model_folder(tmp_path, UNDERSCORED, fim=row))


def test_a_declaration_that_is_not_json_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED)
    (folder / "fim.json").write_text("{", encoding="utf-8")
    with pytest.raises(FamilyError, match=r"fim.json is not JSON\."):
        detect(folder)


def test_a_family_may_lie_in_a_file_of_ones_own(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", UNDERSCORED, {"model_type": "llama"})
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**WHOLE, "label": "Mine", "bos": None}), encoding="utf-8")
    format = detect(folder, family=str(path))
    assert evidence(format) == (
        "Mine: <fim_prefix> 1, <fim_suffix> 3, <fim_middle> 2; mine.json is chosen in the settings."
    )


def test_a_family_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED)
    with pytest.raises(ConfigError, match=r"There is no file '/no/mine\.json'") as caught:
        detect(folder, family="/no/mine.json")
    assert caught.value.field == "family"


def test_a_sentinel_that_code_could_write_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, fim={**WHOLE, "prefix": "def"})
    path = folder / "tokenizer.json"
    description = json.loads(path.read_text("utf-8"))
    marker = {"id": 600, "content": "def", "special": False, "normalized": False}
    marker |= {"single_word": False, "lstrip": False, "rstrip": False}
    description["added_tokens"].append(marker)
    path.write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(FamilyError, match="Code that spells def would become the token"):
        detect(folder)


def test_a_chat_turn_must_have_its_tokens(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, QWEN, {"model_type": "qwen3_moe"})
    with pytest.raises(FamilyError, match=r"has no token <\|im_start\|>, which Qwen3-Coder needs"):
        detect(folder, family="qwen3-coder")


def test_repository_and_file_tokens_are_looked_up(tmp_path: Path) -> None:
    tokens = [*UNDERSCORED, "<repo_name>", "<file_sep>"]
    format = detect(model_folder(tmp_path, tokens, {"model_type": "starcoder2"}))
    assert (format.repo_id, format.file_id) == (5, 6)


def test_a_tokenizer_without_fim_tokens_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(FamilyError) as caught:
        detect(model_folder(tmp_path, ["<|endoftext|>"], {"model_type": "gpt2"}))
    assert str(caught.value) == (
        "This tokenizer has no FIM tokens. "
        "Choose a model with FIM tokens, or switch on 'Train left to right only'."
    )


def test_left_to_right_asks_for_no_tokens(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, ["<|endoftext|>"])
    config = Config(left_to_right=True)
    assert find_format(CodeTokenizer.from_folder(folder), folder, config) is None


def test_a_chosen_family_must_have_its_tokens(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, {"model_type": "gpt_bigcode"})
    with pytest.raises(
        FamilyError, match=r"has no token <\|fim_prefix\|>, which Qwen2.5-Coder needs"
    ):
        detect(folder, family="qwen-coder")


def test_an_unknown_family_is_refused_and_names_its_field(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED)
    with pytest.raises(ConfigError, match="no FIM family 'starcodr'") as caught:
        detect(folder, family="starcodr")
    assert caught.value.field == "family"


@pytest.mark.parametrize("model", [{"vocab_size": 3}, {"text_config": {"vocab_size": 3}}])
def test_a_token_beyond_the_embedding_rows_is_refused(
    tmp_path: Path, model: dict[str, Any]
) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, {"model_type": "gpt_bigcode", **model})
    with pytest.raises(FamilyError, match="FIM token 4 is outside the model's 3 embedding rows"):
        detect(folder)


def test_the_unknown_token_is_no_sentinel(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, {"model_type": "gpt_bigcode"})
    path = folder / "tokenizer.json"
    description = json.loads(path.read_text("utf-8"))
    description["model"]["unk_token"] = "<fim_middle>"
    path.write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(FamilyError, match="has no token <fim_middle>"):
        detect(folder)


def test_a_family_that_ends_with_eos_asks_the_tokenizer(tmp_path: Path) -> None:
    tokens = ["<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>", "<|endoftext|>"]
    folder = model_folder(tmp_path, tokens)
    assert detect(folder).eot_id == 3
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(FamilyError, match="names no token that ends a document"):
        detect(folder)


def test_stops_are_the_end_of_middle_and_what_else_the_vocabulary_has(tmp_path: Path) -> None:
    format = detect(model_folder(tmp_path, QWEN, {"model_type": "qwen2"}))
    assert format.eot_id == 4
    assert format.stop_ids == (4, 3, 6, 7, 5)


def test_the_evidence_is_one_line(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, UNDERSCORED, {"model_type": "gpt_bigcode"})
    assert evidence(detect(folder)) == (
        "StarCoder: <fim_prefix> 1, <fim_suffix> 3, <fim_middle> 2; the model is a gpt_bigcode."
    )
