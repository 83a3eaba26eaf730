from __future__ import annotations

import pytest

from codetune_ui.core.errors import ModelError
from codetune_ui.core.families import FAMILIES
from codetune_ui.core.models import KNOWN_MODELS, ModelShape, known_model

QWEN = {
    "model_type": "qwen2",
    "hidden_size": 1536,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "intermediate_size": 8960,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
    "max_position_embeddings": 32768,
}
STARCODER = {
    "model_type": "gpt_bigcode",
    "n_embd": 2048,
    "n_layer": 24,
    "n_head": 16,
    "n_inner": 8192,
    "vocab_size": 49152,
    "n_positions": 8192,
    "multi_query": True,
}


def test_the_suggestions_have_the_shapes_of_their_config_json() -> None:
    for config, name in (
        (QWEN, "Qwen/Qwen2.5-Coder-1.5B"),
        (STARCODER, "bigcode/starcoderbase-1b"),
    ):
        model = known_model(name)
        assert model is not None
        assert ModelShape.from_hf(config) == model.shape


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Qwen/Qwen2.5-Coder-0.5B", 494e6),
        ("bigcode/starcoderbase-1b", 1137e6),
        ("Qwen/Qwen2.5-Coder-1.5B", 1544e6),
        ("Qwen/Qwen2.5-Coder-3B", 3086e6),
        ("Qwen/Qwen2.5-Coder-7B", 7616e6),
    ],
)
def test_a_shape_counts_the_published_parameters(name: str, parameters: float) -> None:
    model = known_model(name)
    assert model is not None
    assert model.shape is not None
    assert model.shape.parameters == pytest.approx(parameters, rel=0.001)


def test_a_config_without_sizes_is_refused_in_words() -> None:
    with pytest.raises(ModelError, match="does not say its sizes"):
        ModelShape.from_hf({"model_type": "bert"})


def test_sizes_of_a_model_that_also_sees_images_are_found() -> None:
    assert ModelShape.from_hf({"model_type": "vision", "text_config": QWEN}).layers == 28


def test_a_gemma_is_tied_though_its_config_is_silent() -> None:
    silent = {name: value for name, value in QWEN.items() if name != "tie_word_embeddings"}
    assert ModelShape.from_hf({**silent, "model_type": "gemma"}).tied
    assert not ModelShape.from_hf(silent).tied


def test_every_suggestion_has_a_known_family_and_a_licence() -> None:
    for model in KNOWN_MODELS:
        assert model.family in FAMILIES, model.id
        assert model.licence
        assert 0.5 < model.weights_gib < 20
