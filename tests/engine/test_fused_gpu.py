"""The fused engine on a GPU, in 16 bit, against its plain definitions and against PEFT's way.

Run by hand where there is a card: python -m pytest -m gpu tests/engine/test_fused_gpu.py
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from codetune_ui.core.config import Config
from codetune_ui.core.ways import Way
from codetune_ui.engine.fused.block import Keep
from codetune_ui.engine.fused.decoder import Batch, FusedDecoder
from codetune_ui.engine.fused.graph import GraphedDecoder
from codetune_ui.engine.fused.steps import FusedSteps, on_device
from codetune_ui.engine.model import attach_adapter
from codetune_ui.engine.rows import collate, flatten, for_model
from codetune_ui.engine.train import summed_loss
from tests.bench.shapes import quantise, random_model
from tests.engine.helpers import SEQ, some_rows
from tests.fused_ops import differences

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning"),  # libraries' own
]


def test_every_operation_agrees_with_its_plain_definition() -> None:
    from codetune_ui.engine.fused import triton_ops

    wrong = differences(triton_ops, "cuda", torch.bfloat16)
    assert {name: value for name, value in wrong.items() if value > 5e-3} == {}


def test_a_weight_without_an_adapter_is_unpacked_as_bitsandbytes_does() -> None:
    from bitsandbytes.functional import dequantize_4bit

    from codetune_ui.engine.fused import triton_ops

    tuned = tuned_of("tiny-qwen2")
    weight = tuned.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight
    expected = dequantize_4bit(weight.data, weight.quant_state)
    found = torch.empty_like(expected)
    triton_ops.nf4_weight_(found, weight, None, None)
    assert torch.equal(found, expected)


def tuned_of(shape: str) -> Any:
    model = random_model(shape, "cuda", torch.bfloat16, dropout=False)
    quantise(model, torch.bfloat16)
    tuned = attach_adapter(model, Config(lora_rank=8)).train()
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.02)
    return tuned


def gradients(tuned: Any) -> torch.Tensor:
    found = [p.grad.float().flatten() for p in tuned.parameters() if p.grad is not None]
    tuned.zero_grad(set_to_none=True)
    return torch.cat(found)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("keep", [Keep.ALL, Keep.STREAM])
@pytest.mark.parametrize("shape", ["tiny-bigcode", "tiny-qwen2"])
def test_loss_and_gradients_are_those_of_the_plain_engine(
    shape: str, keep: Keep, recorded: bool
) -> None:
    tuned = tuned_of(shape)
    rows = some_rows(4)
    inputs = {
        name: value.cuda() if isinstance(value, torch.Tensor) else value
        for name, value in for_model(collate(rows, flat=False)).items()
    }
    labels = inputs.pop("labels")
    with torch.autocast("cuda", torch.bfloat16):
        # With a cache, transformers would not look where positions restart.
        logits = tuned(**inputs, use_cache=False).logits
    plain_loss, count = summed_loss(logits, labels)
    torch.autograd.backward(plain_loss / count)
    plain = gradients(tuned)

    fused = FusedDecoder(tuned, torch.bfloat16, len(rows[0].ids))
    fused.keep([keep] * len(fused.parts.blocks))
    passes: Any = GraphedDecoder(fused) if recorded else fused
    batch: Batch = on_device(flatten(rows), torch.device("cuda"))
    for _ in range(2):  # the second one is replayed
        passes.begin()
        loss = passes.add(batch, 1 / count.float())
        passes.end()
        found = gradients(tuned)
        assert loss.item() == pytest.approx(plain_loss.item(), rel=2e-3)
        assert ((found - plain).norm() / plain.norm()).item() < 0.03


def test_a_recorded_look_finds_what_a_plain_one_does() -> None:
    tuned = tuned_of("tiny-qwen2")
    decoder = FusedDecoder(tuned, torch.bfloat16, SEQ)
    recorded = GraphedDecoder(decoder)
    decoder.begin()
    for seed in range(3):
        batch = on_device(flatten(some_rows(2, seed)), torch.device("cuda"))
        for found, expected in zip(
            recorded.look(batch, 8192), decoder.look(batch, 8192), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_pass_of_another_size_finds_room_where_a_recording_had_it() -> None:
    tuned = tuned_of("tiny-qwen2")
    decoder = FusedDecoder(tuned, torch.bfloat16, SEQ)
    decoder.keep([Keep.ALL] * len(decoder.parts.blocks))
    rows = some_rows(256)
    few = [replace(row, labels=np.where(row.ids % 4, -100, row.labels)) for row in rows]
    before = torch.cuda.memory_reserved()
    steps = FusedSteps(decoder, Way("fused", len(rows), 0.0))
    expected, _ = steps.step(rows)
    needed = torch.cuda.memory_reserved() - before
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((before + 1.1 * needed) / total)
    try:
        steps.step(few)
        found, _ = steps.step(rows)
        assert steps.way == Way("fused", len(rows), 0.0)
        assert found.item() == pytest.approx(expected.item(), rel=1e-3)
        assert len(steps._passes._recordings) == 1  # type: ignore[union-attr]  # one for both
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
