"""The fused path against PEFT, transformers and autograd: the same loss, the same gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from codetune_ui.engine.fused.block import Keep
from codetune_ui.engine.fused.decoder import Batch, FusedDecoder
from codetune_ui.engine.rows import flatten
from codetune_ui.engine.train import summed_loss
from tests.borders import SHAPES, tiny
from tests.engine.helpers import SEQ, load_tuned, some_rows, tiny_config


def plain_loss_and_grads(tuned: Any, rows: list[Any], scale: float) -> tuple[float, dict[str, Any]]:
    """Each example alone through the model as it is: no packing, no border to cross."""
    total = torch.zeros(())
    for row in rows:
        start = 0
        for length in row.seq_lengths:
            ids = torch.from_numpy(row.ids[start : start + length]).long()[None]
            labels = torch.from_numpy(row.labels[start : start + length]).long()[None]
            total = total + summed_loss(tuned(input_ids=ids).logits, labels)[0]
            start += length
    torch.autograd.backward(total * scale)
    grads = {n: p.grad.clone() for n, p in tuned.named_parameters() if p.grad is not None}
    tuned.zero_grad(set_to_none=True)
    return total.item(), grads


def tuned_of(shape: str, folder: Path, **changes: Any) -> Any:
    """A fresh adapter on a tiny random base of a shape, loaded as a training loads it."""
    model: Any = tiny(shape, "sdpa")
    model.save_pretrained(folder)
    return load_tuned(tiny_config(folder, **changes))


def stir(tuned: Any) -> None:
    """Give the adapter's second halves, which begin at zero, values that matter."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.05)


@pytest.mark.parametrize("keep", list(Keep))
@pytest.mark.parametrize("quant", ["none", "nf4"])
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_loss_and_gradients_are_those_of_autograd(
    shape: str, quant: str, keep: Keep, tmp_path: Path
) -> None:
    tuned = tuned_of(shape, tmp_path, quant=quant)
    stir(tuned)
    rows = some_rows(3)
    expected_loss, expected = plain_loss_and_grads(tuned, rows, 0.25)
    fused = FusedDecoder(tuned, torch.float32, SEQ)
    fused.keep([keep] * len(fused.parts.blocks))
    fused.begin()
    loss = fused.add(Batch.of(flatten(rows)), torch.tensor(0.25))
    fused.end()
    assert loss.item() == pytest.approx(expected_loss, rel=1e-5)
    assert fused.loss(Batch.of(flatten(rows))).item() == pytest.approx(expected_loss, rel=1e-5)
    found = {n: p.grad for n, p in tuned.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5, msg=name)
