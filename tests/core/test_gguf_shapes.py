from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codetune_ui.core.errors import ModelError
from codetune_ui.core.gguf_shapes import gguf_shape, halves, pairs

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 500,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "rope_theta": 500_000.0,
}
BIGCODE = {
    "model_type": "gpt_bigcode",
    "n_embd": 64,
    "n_layer": 2,
    "n_head": 4,
    "vocab_size": 500,
    "n_positions": 512,
    "activation_function": "gelu_pytorch_tanh",
    "layer_norm_epsilon": 1e-5,
}


def test_a_llama_says_its_shape_in_gguf_keys() -> None:
    assert gguf_shape(LLAMA).keys() == {
        "llama.vocab_size": 500,
        "llama.context_length": 512,
        "llama.embedding_length": 64,
        "llama.block_count": 2,
        "llama.feed_forward_length": 128,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-6,
        "llama.rope.dimension_count": 16,
        "llama.rope.freq_base": 500_000.0,
    }


def test_a_gpt_bigcode_is_a_starcoder_with_one_head_of_keys() -> None:
    keys = gguf_shape(BIGCODE).keys()
    assert keys["starcoder.attention.head_count_kv"] == 1
    assert keys["starcoder.feed_forward_length"] == 256
    assert keys["starcoder.attention.layer_norm_epsilon"] == 1e-5
    assert not any("rope" in key for key in keys)


def test_positions_scaled_linearly_are_written_and_others_refused() -> None:
    linear = {"rope_theta": 1e5, "rope_type": "linear", "factor": 4.0}
    keys = gguf_shape({**LLAMA, "rope_parameters": linear}).keys()
    assert keys["llama.rope.freq_base"] == 1e5
    assert (keys["llama.rope.scaling.type"], keys["llama.rope.scaling.factor"]) == ("linear", 4.0)
    with pytest.raises(ModelError, match="the way 'llama3'"):
        gguf_shape({**LLAMA, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({**LLAMA, "model_type": "phi3"}, "type 'phi3' cannot be written as GGUF here, only llama"),
        ({**LLAMA, "hidden_act": "relu"}, "the activation 'relu'"),
        ({**BIGCODE, "multi_query": False}, "a head of keys and values for each"),
        ({**LLAMA, "model_type": "qwen2", "use_sliding_window": True}, "a sliding window"),
        ({**LLAMA, "quantization_config": {"bits": 4}}, "quantised already"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused(
    config: dict[str, Any], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        gguf_shape(config)


def test_rows_of_queries_and_keys_are_permuted_for_a_llama_only() -> None:
    weight = np.arange(8 * 3, dtype=np.float32).reshape(8, 3)
    shape = gguf_shape({**LLAMA, "num_attention_heads": 2, "num_key_value_heads": 1})
    laid = shape.laid_out("model.layers.0.self_attn.q_proj.weight", weight)
    assert laid[:, 0].tolist() == [0, 6, 3, 9, 12, 18, 15, 21]
    one = shape.laid_out("model.layers.0.self_attn.k_proj.weight", weight)
    assert one[:, 0].tolist() == [0, 12, 3, 15, 6, 18, 9, 21]
    value = shape.laid_out("model.layers.0.self_attn.v_proj.weight", weight)
    assert value is weight
    qwen = gguf_shape({**LLAMA, "model_type": "qwen2"})
    assert qwen.laid_out("model.layers.0.self_attn.q_proj.weight", weight) is weight


def test_halves_undo_pairs() -> None:
    weight = np.random.default_rng(0).random((24, 5))
    assert (halves(pairs(weight, 3), 3) == weight).all()
