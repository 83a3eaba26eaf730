from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError
from codetune_ui.engine.export_merge import (
    Delta,
    Merge,
    apply,
    linears,
    open_whole,
    read_deltas,
    stored_dtype,
)
from codetune_ui.engine.hardware import quantise_refusal
from codetune_ui.engine.model import load_base, quiet_peft
from codetune_ui.runs.store import Home
from tests.runs.serving import add_trained_run

NAME = "model.layers.0.self_attn.q_proj.weight"


@pytest.mark.skipif(bool(quantise_refusal("cpu")), reason="no 4-bit weights on this CPU")
def test_the_dequantised_base_is_the_one_that_is_trained_beside(tiny_model: Path) -> None:
    import bitsandbytes

    model = open_whole(tiny_model)
    names = linears(model)
    merge = Merge(tiny_model, {}, names)
    four_bit = load_base(
        Config(base_model=str(tiny_model)), tiny_model, device="cpu", training=True
    )
    held = {
        f"{name}.weight": module.weight
        for name, module in four_bit.named_modules()
        if isinstance(module, bitsandbytes.nn.Linear4bit)
    }
    assert set(held) == names
    assert merge.variant == "dequantised"
    for name, weight in model.named_parameters():
        if name in names:
            codes = held[name]
            there = bitsandbytes.functional.dequantize_4bit(codes.data, codes.quant_state)
            assert torch.equal(merge.base_weight(name, weight.float()), there.float())
        else:
            assert merge.base_weight(name, weight) is weight


def test_a_merge_is_what_peft_merges(tiny_model: Path, home: Path) -> None:
    from peft import PeftModel

    run = add_trained_run(Home(home), tiny_model, "tuned")
    ours = open_whole(tiny_model).float()
    apply(Merge(tiny_model, read_deltas(run.adapter_dir)), ours, "merged", torch.float32)
    with quiet_peft():
        tuned = PeftModel.from_pretrained(open_whole(tiny_model).float(), run.adapter_dir)
        theirs = dict(tuned.merge_and_unload().named_parameters())
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(weight, theirs[name], rtol=1e-5, atol=1e-6)


def test_a_merge_is_rounded_once(tiny_model: Path) -> None:
    delta = Delta(torch.full((1, 64), 0.01), torch.full((64, 1), 0.01), 2.0)
    model = open_whole(tiny_model)
    before = dict(model.named_parameters())[NAME].detach().float()
    apply(Merge(tiny_model, {NAME: delta}), model, "merged", stored_dtype(model))
    after = dict(model.named_parameters())[NAME]
    assert after.dtype == torch.bfloat16
    assert torch.equal(after, (before + 2e-4).bfloat16())


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({"lora_alpha": 8}, 2.0),
        ({"lora_alpha": 8, "use_rslora": True}, 8 / math.sqrt(4)),
        ({"lora_alpha": 8, "alpha_pattern": {"self_attn.q_proj": 2}}, 0.5),
        ({"lora_alpha": 8, "alpha_pattern": {"k_proj": 2}}, 2.0),
    ],
)
def test_an_adapter_is_scaled_as_peft_scales_it(
    tmp_path: Path, settings: dict[str, object], scale: float
) -> None:
    stem = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    halves = {f"{stem}A.weight": torch.ones(4, 8), f"{stem}B.weight": torch.ones(8, 4)}
    save_file(halves, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    found = read_deltas(tmp_path)
    assert set(found) == {NAME}
    assert found[NAME].scale == scale
    assert torch.equal(found[NAME](), torch.full((8, 8), 4 * scale))


def test_an_adapter_that_trains_an_embedding_is_refused(tmp_path: Path) -> None:
    name = "base_model.model.model.embed_tokens.lora_embedding_A"
    save_file({name: torch.ones(4, 8)}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"lora_alpha": 8}', encoding="utf-8")
    with pytest.raises(ModelError, match="trains more than linear maps"):
        read_deltas(tmp_path)
