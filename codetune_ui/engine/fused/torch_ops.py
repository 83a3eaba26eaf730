"""The plain definition of each operation: the CPU's own way, and what the GPU's must agree with.

Shapes are (tokens, width). Sums and statistics are in fp32 whatever the inputs are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def norm(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float, *, centred: bool) -> Tensor:
    """Return LayerNorm (centred) or RMSNorm of each row."""
    if centred:
        return F.layer_norm(x, (x.shape[-1],), weight, bias, eps)
    wide = x.float()
    wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return weight * wide.to(x.dtype)


def add_norm(
    x: Tensor, delta: Tensor, weight: Tensor, bias: Tensor | None, eps: float, *, centred: bool
) -> tuple[Tensor, Tensor]:
    """Return x + delta, and its norm."""
    total = x + delta
    return total, norm(total, weight, bias, eps, centred=centred)


def norm_grad(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    eps: float,
    residual: Tensor | None,
    *,
    centred: bool,
) -> tuple[Tensor, Tensor]:
    """Return the gradient to a norm's input, plus that of the residual way, and the norm again."""
    wide = x.float()
    if centred:
        wide = wide - wide.mean(-1, keepdim=True)
    rstd = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    unit = wide * rstd
    g = dy.float() * weight.float()
    dx = g - unit * (g * unit).mean(-1, keepdim=True)
    if centred:
        dx = dx - g.mean(-1, keepdim=True)
    dx = dx * rstd
    if residual is not None:
        dx = dx + residual.float()
    y = unit * weight.float()
    if bias is not None:
        y = y + bias.float()
    return dx.to(x.dtype), y.to(x.dtype)


def gelu(h: Tensor, *, exact: bool) -> Tensor:
    """Return GELU by erf (exact) or by tanh."""
    return F.gelu(h, approximate="none" if exact else "tanh")


def gelu_grad(d: Tensor, h: Tensor, *, exact: bool) -> tuple[Tensor, Tensor]:
    """Return the gradient to `h`, and GELU again; both arguments are used up."""
    way = "none" if exact else "tanh"
    grad: Tensor = torch.ops.aten.gelu_backward(d, h, approximate=way)
    return grad, F.gelu(h, approximate=way)


def swiglu(gate_up: Tensor) -> Tensor:
    """Return silu(gate) * up of a (tokens, 2 x width) tensor."""
    gate, up = gate_up.chunk(2, -1)
    return F.silu(gate) * up


def swiglu_grad(d: Tensor, gate_up: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient to gate and up, and SwiGLU again; both arguments are used up."""
    gate, up = gate_up.float().chunk(2, -1)
    wide = d.float()
    chance = torch.sigmoid(gate)
    silu = gate * chance
    d_gate = wide * up * chance * (1 + gate * (1 - chance))
    grad = torch.cat([d_gate, wide * silu], -1)
    return grad.to(d.dtype), (silu * up).to(d.dtype)


def rotate_(heads: Tensor, cos: Tensor, sin: Tensor, *, back: bool) -> None:
    """Turn each head of (tokens, heads, width) by its position's angle, in place; or back."""
    first, second = heads.float().chunk(2, -1)
    half = first.shape[-1]
    c, s = cos[:, None, :half].float(), sin[:, None, :half].float()
    if back:
        s = -s
    heads.copy_(torch.cat([first * c - second * s, second * c + first * s], -1))


def cross_entropy_(logits: Tensor, targets: Tensor) -> Tensor:
    """Return each row's negative log-likelihood; the logits become its gradient, in place.

    A negative target asks nothing: no loss, no gradient.
    """
    asked = (targets >= 0)[:, None]
    chosen = targets.clamp(min=0)[:, None]
    log_chance = torch.log_softmax(logits.float(), -1)
    nll = -log_chance.gather(1, chosen) * asked
    chance = log_chance.exp_()
    chance.scatter_add_(1, chosen, torch.full_like(chance[:, :1], -1.0))
    logits.copy_(chance * asked)
    return nll.squeeze(1)


def nf4_weight_(out: Tensor, weight: Tensor, a: Tensor | None, b: Tensor | None) -> None:
    """Unpack a 4-bit weight (out, in), add b (out, r) @ a (r, in), and round the sum once."""
    import copy

    from bitsandbytes.functional import dequantize_4bit

    state = copy.copy(weight.quant_state)  # type: ignore[attr-defined]
    state.dtype = torch.float32  # in 16 bit a small adapter would be rounded away
    full = dequantize_4bit(weight.data, state)
    out.copy_(full if a is None or b is None else torch.addmm(full, b.float(), a.float()))
