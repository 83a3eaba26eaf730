"""Which models can be written as GGUF, and what the file says of their shape.

The names of the keys are those of the GGUF specification; which of them an architecture reads,
and how it wants its weights laid out, is in `Architecture`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.errors import ModelError
from codetune_ui.core.models import ModelShape

Value = str | int | float | bool
GELU = ("gelu_pytorch_tanh", "gelu_new", "gelu")


@dataclass(frozen=True)
class Architecture:
    """How llama.cpp computes a kind of model.

    name: GGUF's name for it. rms: its norms are RMS norms. rotary: positions turn queries and
    keys. permuted: it turns neighbouring pairs, where transformers turns halves. acts: the MLP's
    activations it can stand for.
    """

    name: str
    rms: bool
    rotary: bool
    permuted: bool
    acts: tuple[str, ...]


ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture("llama", True, True, True, ("silu",)),
    "qwen2": Architecture("qwen2", True, True, False, ("silu",)),
    "starcoder2": Architecture("starcoder2", False, True, False, GELU),
    "gpt_bigcode": Architecture("starcoder", False, False, False, GELU),
}
"""By transformers' `model_type`."""

HINT = "Export it with --format merged, and convert that with llama.cpp's own converter."


@dataclass(frozen=True)
class GgufShape:
    """A model's shape as GGUF says it."""

    architecture: Architecture
    shape: ModelShape
    norm_eps: float
    rope_base: float
    rope_factor: float

    def keys(self) -> dict[str, Value]:
        """Return the keys of the model's shape, whole numbers as uint32 and others as float32."""
        shape, name = self.shape, self.architecture.name
        found: dict[str, Value] = {
            "vocab_size": shape.vocab,
            "context_length": shape.context,
            "embedding_length": shape.hidden,
            "block_count": shape.layers,
            "feed_forward_length": shape.intermediate,
            "attention.head_count": shape.heads,
            "attention.head_count_kv": shape.kv_heads,
            f"attention.layer_norm_{'rms_' * self.architecture.rms}epsilon": self.norm_eps,
        }
        if self.architecture.rotary:
            found["rope.dimension_count"] = self.head_dim
            found["rope.freq_base"] = self.rope_base
            if self.rope_factor != 1.0:
                found |= {"rope.scaling.type": "linear", "rope.scaling.factor": self.rope_factor}
        if self.head_dim * shape.heads != shape.hidden:
            found |= {
                "attention.key_length": self.head_dim,
                "attention.value_length": self.head_dim,
            }
        return {f"{name}.{key}": value for key, value in found.items()}

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.shape.head_dim or self.shape.hidden // self.shape.heads

    def heads_of(self, name: str) -> int:
        """Return how many heads a weight's rows are permuted in; 0 when they stay as they are."""
        if not self.architecture.permuted:
            return 0
        if name.endswith(("q_proj.weight", "q_proj.bias")):
            return self.shape.heads
        return self.shape.kv_heads if name.endswith(("k_proj.weight", "k_proj.bias")) else 0

    def laid_out(self, name: str, weight: NDArray[Any]) -> NDArray[Any]:
        """Return a weight (out, …), by transformers' name, with its rows where GGUF wants them."""
        heads = self.heads_of(name)
        return weight if not heads else pairs(weight, heads)

    def laid_back(self, name: str, weight: NDArray[Any]) -> NDArray[Any]:
        """Undo `laid_out`."""
        heads = self.heads_of(name)
        return weight if not heads else halves(weight, heads)


def pairs(weight: NDArray[Any], heads: int) -> NDArray[Any]:
    """Put the rows that are turned together beside each other: halves of a head become pairs.

    >>> pairs(np.arange(8), heads=2)
    array([0, 2, 1, 3, 4, 6, 5, 7])
    """
    parts = weight.reshape(heads, 2, len(weight) // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(parts.swapaxes(1, 2).reshape(weight.shape))


def halves(weight: NDArray[Any], heads: int) -> NDArray[Any]:
    """Undo `pairs`."""
    parts = weight.reshape(heads, len(weight) // heads // 2, 2, *weight.shape[1:])
    return np.ascontiguousarray(parts.swapaxes(1, 2).reshape(weight.shape))


def gguf_shape(config: Mapping[str, Any]) -> GgufShape:
    """Read transformers' config.json; `ModelError` for a model that this app cannot write."""
    kind = str(config.get("model_type", ""))
    architecture = ARCHITECTURES.get(kind)
    if architecture is None:
        raise ModelError(
            f"A model of type '{kind}' cannot be written as GGUF here, only "
            f"{', '.join(ARCHITECTURES)}.",
            HINT,
        )
    rope_base, rope_factor = _rope(config) if architecture.rotary else (0.0, 1.0)
    _check(config, architecture)
    return GgufShape(
        architecture,
        ModelShape.from_hf(config),
        norm_eps=_norm_eps(config),
        rope_base=rope_base,
        rope_factor=rope_factor,
    )


def _norm_eps(config: Mapping[str, Any]) -> float:
    names = ("rms_norm_eps", "norm_epsilon", "layer_norm_epsilon")
    return float(next((config[name] for name in names if config.get(name)), 1e-5))


def _rope(config: Mapping[str, Any]) -> tuple[float, float]:
    """Return the base of the rotary angles and the factor of a linear scaling, 1 for none."""
    new, old = config.get("rope_parameters") or {}, config.get("rope_scaling") or {}
    kind = new.get("rope_type") or old.get("rope_type") or old.get("type") or "default"
    base = new.get("rope_theta") or config.get("rope_theta") or 10_000.0
    if kind not in ("default", "linear"):
        raise ModelError(f"Positions scaled the way '{kind}' cannot be written as GGUF here.", HINT)
    factor = new.get("factor") or old.get("factor") or 1.0
    return float(base), float(factor) if kind == "linear" else 1.0


def _check(config: Mapping[str, Any], architecture: Architecture) -> None:
    """Refuse what the architecture computes otherwise."""
    act = str(config.get("hidden_act") or config.get("activation_function") or "")
    odd = (
        f"the activation '{act}'"
        if act and act not in architecture.acts
        else "a sliding window"
        if config.get("use_sliding_window")
        else "a head of keys and values for each of queries"
        if config.get("model_type") == "gpt_bigcode" and not config.get("multi_query", True)
        else f"the norm '{config['norm_type']}'"
        if config.get("norm_type", "layer_norm") != "layer_norm"
        else "no biases"
        if config.get("use_bias") is False
        else "weights that are quantised already"
        if config.get("quantization_config")
        else ""
    )
    if odd:
        kind = config.get("model_type")
        raise ModelError(f"A {kind} with {odd} cannot be written as GGUF here.", HINT)
