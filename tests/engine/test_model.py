from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from codetune_ui.core.errors import MachineError, ModelError
from codetune_ui.engine import model
from codetune_ui.engine.hardware import Hardware
from codetune_ui.engine.rows import collate
from codetune_ui.engine.train import summed_loss
from tests.engine.helpers import some_rows, tiny_config
from tests.tiny import build_model

CPU = Hardware("cpu", "a CPU", 8.0, bf16=False)


@pytest.fixture(scope="module")
def bigcode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("tiny-bigcode"), kind="gpt_bigcode")


def load(folder: Path, **changes: Any) -> Any:
    config = tiny_config(folder, **changes)
    return model.load_base(config, folder, device="cpu", training=True)


@pytest.mark.parametrize("kind", ["llama", "gpt_bigcode"])
def test_a_packed_row_gives_each_example_what_it_gets_alone(
    kind: str, tiny_model: Path, bigcode: Path
) -> None:
    base = load(tiny_model if kind == "llama" else bigcode).eval()
    rows = some_rows(2)
    batch = collate(rows, flat=False)
    with torch.no_grad():
        packed = base(input_ids=batch["input_ids"], position_ids=batch["position_ids"])["logits"]
        for index, row in enumerate(rows):
            ends = list(itertools.accumulate(row.seq_lengths))
            for length, end in zip(row.seq_lengths, ends, strict=True):
                ids = batch["input_ids"][index : index + 1, end - length : end]
                alone = base(input_ids=ids)["logits"][0]
                torch.testing.assert_close(
                    packed[index, end - length : end].float(), alone.float(), atol=2e-5, rtol=1e-4
                )


def test_the_base_is_frozen_and_without_dropout(bigcode: Path) -> None:
    base = load(bigcode)
    assert not any(parameter.requires_grad for parameter in base.parameters())
    assert (base.config.attn_pdrop, base.config.resid_pdrop, base.config.embd_pdrop) == (0, 0, 0)
    assert base.config.use_cache is False


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_adapter_is_fp32_and_learns_through_four_bit(
    tiny_model: Path, checkpointing: bool
) -> None:
    config = tiny_config(tiny_model, quant="nf4", gradient_checkpointing=checkpointing)
    base = model.load_base(config, tiny_model, device="cpu", training=True)
    tuned = model.attach_adapter(base, config)
    trained = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
    assert {p.dtype for p in trained.values()} == {torch.float32}
    assert len(trained) == 2 * 2 * 7  # A and B of seven linears in two layers
    batch = collate(some_rows(1), flat=False)
    labels = batch.pop("labels")
    del batch["tokens"]
    nll: Any = summed_loss(tuned(**batch)["logits"], labels)[0]
    nll.backward()
    assert all(p.grad is not None for p in trained.values())


def test_gradients_are_the_same_after_an_evaluation(tiny_model: Path) -> None:
    base = load(tiny_model, quant="nf4")
    layer = base.model.layers[0].mlp.gate_proj
    given = torch.randn(3, 64, dtype=base.dtype)

    def gradient() -> torch.Tensor:
        leaf = given.clone().requires_grad_()
        layer.train()(leaf).float().sum().backward()
        assert leaf.grad is not None
        return leaf.grad

    before = gradient()
    with torch.no_grad():
        layer.eval()(given)
    assert torch.equal(before, gradient())


def test_named_targets_may_hold_one_that_the_model_lacks(bigcode: Path) -> None:
    config = tiny_config(bigcode, lora_targets="c_proj,c_attn,q_attn,c_fc")
    tuned = model.attach_adapter(load(bigcode), config)
    assert tuned.peft_config["default"].target_modules == {"c_attn", "c_fc", "c_proj"}


def test_targets_that_are_not_there_are_refused_with_the_names_that_are(tiny_model: Path) -> None:
    config = tiny_config(tiny_model, lora_targets="c_attn")
    with pytest.raises(ModelError, match="no layer named c_attn") as caught:
        model.attach_adapter(load(tiny_model), config)
    assert "q_proj" in caught.value.hint


def test_an_adapter_names_the_base_as_the_person_did(tiny_model: Path) -> None:
    config = tiny_config(tiny_model).replace(base_model="demo")
    tuned = model.attach_adapter(load(tiny_model), config)
    assert tuned.peft_config["default"].base_model_name_or_path == "demo"


def test_flash_attention_is_not_taken_on_a_cpu(tiny_model: Path) -> None:
    config = tiny_config(tiny_model)
    assert model.choose_precision(config, CPU).attention == "sdpa"
    with pytest.raises(MachineError, match="flash-attn cannot be used here"):
        model.choose_precision(config.replace(attention="flash_attention_2"), CPU)


def test_a_broken_model_is_one_sentence(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "config.json").write_text((tiny_model / "config.json").read_text())
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(tmp_path)
