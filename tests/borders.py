"""Does attention stay inside an example? Packed rows against their parts, for every shape.

Used by tests/engine/test_borders.py on the CPU and by tests/bench/borders.py on a GPU.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from codetune_ui.core.pack import IGNORE_INDEX, Row, pack
from codetune_ui.engine.rows import collate, for_model

SHAPES = ("gpt_bigcode", "starcoder2", "qwen2", "llama")
VOCABULARY = 97


class Sample:
    """An example of random tokens."""

    def __init__(self, rng: random.Random, size: int) -> None:
        self.ids = [rng.randrange(5, VOCABULARY) for _ in range(size)]
        self.labels = [IGNORE_INDEX, *self.ids[1:]]


def tiny(shape: str, attention: str, *, head_size: int = 16, **how: Any) -> torch.nn.Module:
    """Return a random model of two layers; `how` goes to it, as dtype and device do."""
    from transformers import AutoConfig, AutoModelForCausalLM

    width = head_size * 4
    config = AutoConfig.for_model(
        shape,
        vocab_size=VOCABULARY,
        **(_bigcode(width) if shape == "gpt_bigcode" else _llama(width)),
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    for weight in model.parameters():  # far from zero, so that a leak would be seen
        torch.nn.init.normal_(weight, std=0.2)
    return model.eval().to(**how)  # type: ignore[no-any-return]


def _bigcode(width: int) -> dict[str, Any]:
    sizes = {"n_embd": width, "n_inner": 2 * width, "n_layer": 2, "n_head": 4, "n_positions": 512}
    return {**sizes, "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}


def _llama(width: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    }


def some_rows(max_seq_len: int = 96) -> tuple[list[Row], list[Sample]]:
    """Return two packed rows of several examples with padding, and the examples."""
    rng = random.Random(0)
    samples = [Sample(rng, size) for size in (40, 30, 20, 44, 27, 19)]
    rows = list(pack(samples, max_seq_len, 0))
    assert len(rows) == 2
    assert all(len(row.seq_lengths) >= 3 for row in rows)
    return rows, samples


@torch.no_grad()
def packed_logits(model: torch.nn.Module, rows: list[Row], *, flat: bool) -> torch.Tensor:
    """Return (rows, tokens, vocabulary) for rows laid out as training lays them out."""
    batch = collate(rows, flat=flat)
    found = model(**_inputs(model, batch), use_cache=False).logits
    return found.reshape(len(rows), -1, found.shape[-1])  # type: ignore[no-any-return]


@torch.no_grad()
def masked_logits(model: torch.nn.Module, rows: list[Row]) -> torch.Tensor:
    """Return the logits under an all-ones mask, which hides the borders: the mistake to avoid."""
    batch = collate(rows, flat=False)
    ones = torch.ones_like(batch["input_ids"])
    batch = {**batch, "attention_mask": ones}
    return model(**_inputs(model, batch), use_cache=False).logits  # type: ignore[no-any-return]


def _inputs(model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Any]:
    device = next(model.parameters()).device
    kept = {name: value for name, value in for_model(batch).items() if name != "labels"}
    return {n: v.to(device) if isinstance(v, torch.Tensor) else v for n, v in kept.items()}


@torch.no_grad()
def worst_difference(model: torch.nn.Module, rows: list[Row], packed: torch.Tensor) -> float:
    """Return the largest difference between an example in its row and the example alone."""
    device = next(model.parameters()).device
    worst = 0.0
    for row, logits in zip(rows, packed, strict=True):
        place = 0
        for length in row.seq_lengths:
            ids = torch.from_numpy(row.ids[place : place + length].astype(np.int64))
            alone = model(input_ids=ids[None].to(device), use_cache=False).logits[0]
            here = logits[place : place + length]
            worst = max(worst, float((here.float() - alone.float()).abs().max()))
            place += length
    return worst
