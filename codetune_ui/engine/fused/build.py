"""A PEFT model's parts, found and checked for the fused path; what it cannot do is said.

The families of code models share one block (see `block`) in two writings: GPTBigCode's, and that
of Llama, Qwen2, Mistral and StarCoder2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from codetune_ui.engine.fused.attention import Heads
from codetune_ui.engine.fused.block import Block, Norm
from codetune_ui.engine.fused.linear import Group, Projection
from codetune_ui.engine.fused.ops import has_triton

ADAPTER = "default"
ACTIVATIONS = {
    "silu": "swiglu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
LLAMA_LIKE = ("llama", "qwen2", "mistral", "starcoder2")


class UnfitError(Exception):
    """The fused path cannot train this model: the message says why, and the plain one is used."""


@dataclass(frozen=True)
class Parts:
    """A decoder's parts in the order of the data."""

    tokens: Tensor  # (vocabulary, hidden)
    positions: Tensor | None  # learned ones, (longest, hidden)
    rotary: nn.Module | None
    blocks: list[Block]
    final_norm: Norm
    head: Tensor  # (vocabulary, hidden)


def take_apart(tuned: Any, dtype: torch.dtype, max_seq_len: int) -> Parts:
    """Return the parts of a `PeftModel` around a causal language model.

    Raises `UnfitError` for an architecture, an adapter or a setting that the blocks do not cover.
    """
    model = tuned.get_base_model()
    config = model.config
    _check_device(model, dtype)
    if config.model_type == "gpt_bigcode":
        parts = _gpt_bigcode(model, dtype)
    elif config.model_type in LLAMA_LIKE:
        _check_window(config, max_seq_len)
        parts = _llama_like(model, dtype)
    else:
        raise UnfitError(f"models of the type {config.model_type} take the plain path")
    _check_adapter(tuned, parts.blocks)
    return parts


def _check_device(model: Any, dtype: torch.dtype) -> None:
    if dtype == torch.float16:
        raise UnfitError("float16 needs a scaled loss")
    if model.device.type == "cuda":
        if dtype != torch.bfloat16:
            raise UnfitError("its attention computes in bfloat16 on a GPU")
        if not has_triton():
            raise UnfitError("Triton is not installed")
    if getattr(model.config, "pretraining_tp", 1) != 1:
        raise UnfitError("the model's layers are sliced")


def _check_window(config: Any, max_seq_len: int) -> None:
    window = getattr(config, "sliding_window", None)
    slides = getattr(config, "use_sliding_window", True)
    if window is not None and slides and window < max_seq_len:
        raise UnfitError(f"attention slides over {window} tokens")


def _check_adapter(tuned: Any, blocks: Sequence[Block]) -> None:
    """Every trained weight must be one that the blocks know, and be used as they use it."""
    known = {
        id(parameter)
        for block in blocks
        for group in block.groups
        for projection in group.projections
        for parameter in (projection.a, projection.b)
        if parameter is not None
    }
    for name, parameter in tuned.named_parameters():
        if parameter.requires_grad and id(parameter) not in known:
            raise UnfitError(f"it also trains {name}")


# --- the two writings


def _gpt_bigcode(model: Any, dtype: torch.dtype) -> Parts:
    body, config = model.transformer, model.config
    if not config.multi_query or config.add_cross_attention:
        raise UnfitError("its attention is not multi-query")
    width = config.n_embd // config.n_head
    scale = width**-0.5 if config.scale_attn_weights else 1.0
    heads = Heads(config.n_head, 1, width, scale)
    _check_heads(heads)
    blocks = [
        Block(
            attention_norm=_norm(layer.ln_1),
            mlp_norm=_norm(layer.ln_2),
            qkv=_group(dtype, layer.attn.c_attn),
            out=_group(dtype, layer.attn.c_proj),
            up=_group(dtype, layer.mlp.c_fc),
            down=_group(dtype, layer.mlp.c_proj),
            heads=heads,
            activation=_activation(config.activation_function, gated=False),
        )
        for layer in body.h
    ]
    return Parts(
        body.wte.weight, body.wpe.weight, None, blocks, _norm(body.ln_f), _head(model)
    )  # fmt: skip


def _llama_like(model: Any, dtype: torch.dtype) -> Parts:
    body, config = model.model, model.config
    first = body.layers[0]
    width = first.self_attn.head_dim
    heads = Heads(
        config.num_attention_heads, config.num_key_value_heads, width, first.self_attn.scaling
    )
    _check_heads(heads)
    gated = hasattr(first.mlp, "gate_proj")
    blocks = [
        Block(
            attention_norm=_norm(layer.input_layernorm),
            mlp_norm=_norm(layer.post_attention_layernorm),
            qkv=_group(
                dtype, layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj
            ),
            out=_group(dtype, layer.self_attn.o_proj),
            up=_group(dtype, layer.mlp.gate_proj, layer.mlp.up_proj)
            if gated
            else _group(dtype, layer.mlp.c_fc),
            down=_group(dtype, layer.mlp.down_proj if gated else layer.mlp.c_proj),
            heads=heads,
            activation=_activation(config.hidden_act, gated=gated),
        )
        for layer in body.layers
    ]
    return Parts(
        body.embed_tokens.weight, None, body.rotary_emb, blocks, _norm(body.norm), _head(model)
    )


def _check_heads(heads: Heads) -> None:
    half = heads.width // 2
    if heads.width > 256 or half & (half - 1):
        raise UnfitError(f"its attention heads are {heads.width} wide")


def _activation(name: str, *, gated: bool) -> str:
    kind = ACTIVATIONS.get(name, "")
    if not kind or gated != (kind == "swiglu"):
        raise UnfitError(f"its activation is {name}")
    return kind


def _head(model: Any) -> Tensor:
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None:
        raise UnfitError("its head is not a plain one")
    weight: Tensor = head.weight
    return weight


def _norm(module: Any) -> Norm:
    if isinstance(module, nn.LayerNorm):
        return Norm(module.weight, module.bias, module.eps, centred=True)
    return Norm(module.weight, None, module.variance_epsilon, centred=False)


def _group(dtype: torch.dtype, *modules: Any) -> Group:
    return Group([_projection(module) for module in modules], dtype)


def _projection(module: Any) -> Projection:
    """Return a linear layer, plain or wrapped by PEFT."""
    base = getattr(module, "base_layer", module)
    weight = base.weight
    state = getattr(weight, "quant_state", None)
    if state is None and not weight.is_floating_point():
        raise UnfitError("its weights are packed in an unknown way")
    outputs, inputs = state.shape if state is not None else weight.shape
    if state is not None and (state.quant_type != "nf4" or state.blocksize != 64 or inputs % 64):
        raise UnfitError("its 4-bit blocks are not of 64 weights in a row")
    if base is module or ADAPTER not in module.lora_A:
        return Projection(weight, base.bias, outputs, inputs)
    if module.lora_variant or not isinstance(module.lora_dropout[ADAPTER], nn.Identity):
        raise UnfitError("its adapter has dropout, or is not a plain LoRA")
    if module.lora_bias.get(ADAPTER) or module.disable_adapters or module.merged:
        raise UnfitError("its adapter is not a plain LoRA")
    return Projection(
        weight,
        base.bias,
        outputs,
        inputs,
        module.lora_A[ADAPTER].weight,
        module.lora_B[ADAPTER].weight,
        module.scaling[ADAPTER],
    )
