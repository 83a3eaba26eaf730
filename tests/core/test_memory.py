from __future__ import annotations

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.memory import MemoryEstimate, adapter_parameters, estimate_memory
from codetune_ui.core.models import STARCODERBASE_1B, known_model
from codetune_ui.core.presets import preset
from codetune_ui.core.ways import Way

RECIPE = preset("guide", lora_targets="all-linear")


def estimate(name: str, config: Config) -> MemoryEstimate:
    model = known_model(name)
    assert model is not None
    assert model.shape is not None
    return estimate_memory(model.shape, config)


@pytest.mark.parametrize(
    ("name", "rows", "checkpointing", "measured_gib"),
    [
        ("bigcode/starcoderbase-1b", 16, True, 25.9),
        ("bigcode/starcoderbase-1b", 16, False, 82.8),
        ("Qwen/Qwen2.5-Coder-1.5B", 16, True, 63.2),
        ("Qwen/Qwen2.5-Coder-7B", 4, True, 25.6),
    ],
)
def test_the_estimate_is_near_what_an_h200_measured(
    name: str, rows: int, checkpointing: bool, measured_gib: float
) -> None:
    config = RECIPE.replace(micro_batch_rows=rows, gradient_checkpointing=checkpointing)
    # the measured recipe also raised norms and head to fp32, which costs up to 2 GiB at 7B
    assert estimate(name, config).total_gib == pytest.approx(measured_gib, rel=0.12)


def test_a_base_in_four_bit_is_smaller_than_in_sixteen() -> None:
    packed = estimate_memory(STARCODERBASE_1B, RECIPE)
    whole = estimate_memory(STARCODERBASE_1B, RECIPE.replace(quant="none"))
    assert (round(packed.weights_gib, 2), round(whole.weights_gib, 2)) == (0.77, 2.12)


def test_the_adapter_of_rank_16_on_all_linears_takes_170_mib() -> None:
    config = RECIPE.replace(lora_rank=16)
    assert round(estimate_memory(STARCODERBASE_1B, config).adapter_gib * 1024, 1) == 169.5


def test_named_targets_train_fewer_weights() -> None:
    attention = RECIPE.replace(lora_targets="c_attn")
    assert adapter_parameters(STARCODERBASE_1B, attention) == 8 * 24 * (2048 + 2304)
    guide = preset("guide")
    assert adapter_parameters(STARCODERBASE_1B, guide) == adapter_parameters(
        STARCODERBASE_1B, RECIPE
    )


def test_activations_grow_with_the_tokens_of_a_pass() -> None:
    one = estimate_memory(STARCODERBASE_1B, RECIPE.replace(micro_batch_rows=1))
    four = estimate_memory(STARCODERBASE_1B, RECIPE.replace(micro_batch_rows=4))
    assert four.activations_gib == pytest.approx(4 * one.activations_gib)
    assert four.logits_gib == pytest.approx(4 * one.logits_gib)
    assert four.weights_gib == one.weights_gib


@pytest.mark.parametrize(
    "dearer",
    [{"lora_dropout": 0.1}, {"attention": "eager"}, {"compute_dtype": "float32"}],
)
def test_what_keeps_more_costs_more(dearer: dict[str, object]) -> None:
    plain = estimate_memory(STARCODERBASE_1B, RECIPE).total_gib
    assert estimate_memory(STARCODERBASE_1B, RECIPE.replace(**dearer)).total_gib > plain


@pytest.mark.parametrize(("quant", "layers_gib"), [("nf4", 0.4746), ("none", 1.8984)])
def test_a_split_base_is_an_nth_of_its_layers_and_two_of_them(
    quant: str, layers_gib: float
) -> None:
    config = RECIPE.replace(quant=quant)
    whole, half, quarter = (
        estimate_memory(STARCODERBASE_1B, config, Way("plain", 16, 1.0, parts))
        for parts in (1, 2, 4)
    )
    saved = whole.weights_gib - half.weights_gib
    assert saved == pytest.approx(layers_gib * (1 / 2 - 2 / 24), rel=0.01)
    assert half.weights_gib - quarter.weights_gib == pytest.approx(layers_gib / 4, rel=0.01)
    assert (half.adapter_gib, half.activations_gib, half.logits_gib) == (
        whole.adapter_gib,
        whole.activations_gib,
        whole.logits_gib,
    )
