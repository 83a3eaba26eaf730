"""Published model shapes with random weights: for speed and memory, never for quality."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import DEMO_MODEL

# From the models' own config.json files on the Hub.
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
        "tie_word_embeddings": True,
    },
}


def build(shape: str, folder: Path) -> Path:
    """Write the shape with random bf16 weights and the demo model's tokenizer (its ids fit)."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = dict(SHAPES[shape])
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config.bos_token_id = config.eos_token_id = 0
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(DEMO_MODEL / name, folder / name)
    (folder / "fim.json").write_text(json.dumps({"family": "starcoder"}), encoding="utf-8")
    return folder
