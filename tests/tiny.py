"""A tiny real model folder, built in the test: the real formats, and nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

STARCODER_TOKENS = [
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<filename>",
    "<gh_stars>",
]

QWEN_32B = {  # config.json of Qwen2.5-Coder-32B: 18 GiB in 4 bit
    "model_type": "qwen2",
    "hidden_size": 5120,
    "num_hidden_layers": 64,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "intermediate_size": 27_648,
    "vocab_size": 152_064,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": False,
}

SOME_CODE = [
    "def add(left: int, right: int) -> int:\n    return left + right\n",
    "class Ledger:\n    def __init__(self, name: str) -> None:\n        self.name = name\n",
    "for index in range(10):\n    print(index)\n\nif __name__ == '__main__':\n    main()\n",
    "import json\nfrom pathlib import Path\n\ndata = json.loads(Path('a.json').read_text())\n",
]


def build_tokenizer(folder: Path, *, special_tokens: list[str] | None = None) -> Path:
    """Write a byte-level BPE tokenizer of 512 tokens; StarCoder's special tokens come first."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=STARCODER_TOKENS if special_tokens is None else special_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SOME_CODE * 4, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "TokenizersBackend",
        "eos_token": "<|endoftext|>",
        "bos_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def build_model(folder: Path, *, kind: str = "llama", layers: int = 2) -> Path:
    """Write a model of some layers with its tokenizer and FIM declaration.

    kind: llama, gpt_bigcode, qwen2 or starcoder2; the last two share keys between heads.
    """
    import torch
    from transformers import AutoModelForCausalLM

    build_tokenizer(folder)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(_tiny_config(kind, layers))
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "fim.json").write_text(json.dumps({"family": "starcoder"}), encoding="utf-8")
    return folder


def _tiny_config(kind: str, layers: int = 2) -> Any:
    from transformers import AutoConfig

    sizes: dict[str, Any] = {
        "vocab_size": 512,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 4,
    }
    if kind == "gpt_bigcode":
        sizes |= {"n_positions": 512, "n_embd": 64, "n_layer": layers, "n_head": 2}
        return AutoConfig.for_model(kind, n_inner=128, **sizes)
    sizes |= {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": layers,
        "num_attention_heads": 2 if kind == "llama" else 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": kind != "qwen2",
    }
    return AutoConfig.for_model(kind, **sizes)


def write_code(folder: Path, files: int = 24) -> Path:
    """Write a small tree of distinct Python files: enough to be split, quick to train on."""
    for index in range(files):
        lines = [f'"""Part {index} of the example."""', "", f"RATE_{index} = {index * 7 + 3}", ""]
        for inner in range(6):
            lines += [
                f"def step_{index}_{inner}(value: int, factor: int = {inner + index}) -> int:",
                f"    result = value * factor + RATE_{index} - {inner * index + 1}",
                "    if result < 0:",
                f"        raise ValueError('step {index}.{inner} fell below zero')",
                "    return result",
                "",
            ]
        path = folder / f"part_{index % 4}" / f"module_{index}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
    return folder
