"""Published model shapes with random weights: for speed and memory, never for quality.

python -m tests.bench.shapes SHAPE FOLDER writes one.
"""

from __future__ import annotations

import gc
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import DEMO_MODEL

# From the models' own config.json files on the Hub; what a type has by default is left out (a
# GPTBigCode has dropouts of 0.1 so, as published).
SHAPES: dict[str, dict[str, Any]] = {
    "starcoderbase-1b": {
        "model_type": "gpt_bigcode",
        "vocab_size": 49152,
        "n_positions": 8192,
        "n_embd": 2048,
        "n_layer": 24,
        "n_head": 16,
        "n_inner": 8192,
    },
    "qwen2.5-coder-1.5b": {
        "model_type": "qwen2",
        "vocab_size": 151936,
        "max_position_embeddings": 32768,
        "hidden_size": 1536,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "intermediate_size": 8960,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
    },
    "qwen2.5-coder-7b": {
        "model_type": "qwen2",
        "vocab_size": 152064,
        "max_position_embeddings": 32768,
        "hidden_size": 3584,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "intermediate_size": 18944,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
    },
    # For a look at the benchmark itself, on any machine in seconds.
    "tiny-bigcode": {
        "model_type": "gpt_bigcode",
        "vocab_size": 8192,
        "n_positions": 512,
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
        "n_inner": 128,
    },
    "tiny-qwen2": {
        "model_type": "qwen2",
        "vocab_size": 8192,
        "max_position_embeddings": 512,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
    },
}


def random_model(shape: str, device: str, dtype: Any, *, dropout: bool = True) -> Any:
    """Return the shape as a causal language model with weights of a fixed seed, on the device.

    dropout=False sets the base's own dropouts to 0, as the app does.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = dict(SHAPES[shape])
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config.bos_token_id = config.eos_token_id = 0
    if not dropout:
        for name in ("attn_pdrop", "embd_pdrop", "resid_pdrop", "attention_dropout"):
            if hasattr(config, name):
                setattr(config, name, 0.0)
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")


def quantise(model: Any, dtype: Any) -> None:
    """Put the linear layers of a model, but not its head, into NF4 with double quantisation.

    In place and layer by layer: it is what loading from a folder does, without 15 GB on disk.
    """
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit

    head = model.get_output_embeddings()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is not torch.nn.Linear or layer is head:
                continue
            packed = Linear4bit(
                layer.in_features,
                layer.out_features,
                bias=layer.bias is not None,
                compute_dtype=dtype,
                quant_type="nf4",
                compress_statistics=True,
                device="meta",
            )
            device = layer.weight.device
            packed.weight = Params4bit(
                layer.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True
            )
            packed.bias = layer.bias
            setattr(parent, name, packed.to(device))
            packed.support_avx512bf16_for_cpu = False  # see engine/model.py: it loses gradients
            del layer
    model.is_loaded_in_4bit = True
    model.requires_grad_(False)
    gc.collect()


def build(shape: str, folder: Path) -> Path:
    """Write the shape with random bf16 weights and the demo model's tokenizer (its ids fit)."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    random_model(shape, device, torch.bfloat16).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(DEMO_MODEL / name, folder / name)
    (folder / "fim.json").write_text(json.dumps({"family": "starcoder"}), encoding="utf-8")
    return folder


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]))
