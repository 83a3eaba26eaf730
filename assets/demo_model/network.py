"""The demo model's shape, its forward over packed windows, and the optimizer of its matrices."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from transformers import LlamaConfig, LlamaForCausalLM
from windows import EOT, MAX_WINDOW_TOKENS, PAD

VOCABULARY = 8192
# The argument's name changed between torch releases.
CAUSAL: dict[str, Any] = (
    {"window_size": (-1, 0)}
    if "window_size" in inspect.signature(varlen_attn).parameters
    else {"is_causal": True}
)


def demo_config() -> LlamaConfig:
    """Return the shape: few, wide layers, because a layer costs a CPU more than its width."""
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=512,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=64,
        intermediate_size=1024,
        max_position_embeddings=MAX_WINDOW_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=EOT,
        eos_token_id=EOT,
        pad_token_id=PAD,
    )


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions the way Llama does: halves, not pairs."""
    left, right = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-right, left), dim=-1) * sin).to(x.dtype)


def packed_losses(
    model: LlamaForCausalLM, tokens: Tensor, positions: Tensor, bounds: Tensor
) -> Tensor:
    """Return the loss of every token's successor, over one stream of separate windows.

    The same arithmetic as the model's own forward, with attention that stays inside a window. The
    last token's successor is the first one, which is never a target.
    """
    config, decoder = model.config, model.model
    size, half = config.head_dim, config.head_dim // 2
    exponents = torch.arange(half, device=tokens.device, dtype=torch.float32) / half
    angles = positions[:, None].float() * 10_000.0**-exponents
    cos = torch.cat((angles, angles), -1).cos()[:, None]
    sin = torch.cat((angles, angles), -1).sin()[:, None]
    groups = config.num_attention_heads // config.num_key_value_heads

    x = F.embedding(tokens, decoder.embed_tokens.weight).bfloat16()
    for layer in decoder.layers:
        attention, h = layer.self_attn, layer.input_layernorm(x)
        q = rotate(attention.q_proj(h).unflatten(-1, (-1, size)), cos, sin)
        k = rotate(attention.k_proj(h).unflatten(-1, (-1, size)), cos, sin)
        v = attention.v_proj(h).unflatten(-1, (-1, size))
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        mixed = varlen_attn(q, k, v, bounds, bounds, MAX_WINDOW_TOKENS, MAX_WINDOW_TOKENS, **CAUSAL)
        x = x + attention.o_proj(mixed.flatten(1))
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    logits = F.linear(decoder.norm(x), decoder.embed_tokens.weight)
    return F.cross_entropy(logits.float(), tokens.roll(-1), reduction="none")


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal (Jordan et al. 2024); for matrices only.

    Matrices of one shape are stacked, so that the whole step is a few dozen kernels.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, decay: float) -> None:
        shapes: dict[torch.Size, list[nn.Parameter]] = {}
        for matrix in matrices:
            shapes.setdefault(matrix.shape, []).append(matrix)
        defaults = {"lr": lr, "decay": decay, "momentum": 0.95}
        super().__init__([{"params": group} for group in shapes.values()], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix by an orthogonal matrix times the learning rate."""
        del closure
        for group in self.param_groups:
            matrices = group["params"]
            gradient = torch.stack([matrix.grad for matrix in matrices])
            state = self.state[matrices[0]]
            momentum = state["momentum"] if state else torch.zeros_like(gradient)
            state["momentum"] = momentum
            momentum.lerp_(gradient, 1 - group["momentum"])
            update = orthogonalize(gradient.lerp(momentum, group["momentum"]))
            rows, columns = matrices[0].shape
            step = group["lr"] * max(1.0, rows / columns) ** 0.5
            torch._foreach_mul_(matrices, 1 - group["lr"] * group["decay"])
            torch._foreach_add_(matrices, list(update.to(gradient.dtype).unbind()), alpha=-step)


def orthogonalize(stack: Tensor) -> Tensor:
    """Push the singular values of every matrix towards one, with five Newton-Schulz steps."""
    x = stack.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if tall else x
