"""Each operation of `torch_ops` as one pass over the GPU's memory."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from codetune_ui.engine.fused import triton_kernels as kernels

ROWS, COLUMNS = 64, 128  # of one tile of a weight
FLAT = 1024  # elements of one piece of an elementwise pass
VOCABULARY = 4096  # logits read at a time


def norm(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float, *, centred: bool) -> Tensor:
    """See `torch_ops.norm`."""
    y = torch.empty_like(x)
    kernels.norm[(x.shape[0],)](
        x, x, weight, bias, x, y, x.shape[1], eps, **_row(x, bias, centred, add=False)
    )
    return y


def add_norm(
    x: Tensor, delta: Tensor, weight: Tensor, bias: Tensor | None, eps: float, *, centred: bool
) -> tuple[Tensor, Tensor]:
    """See `torch_ops.add_norm`."""
    total, y = torch.empty_like(x), torch.empty_like(x)
    kernels.norm[(x.shape[0],)](
        x, delta, weight, bias, total, y, x.shape[1], eps, **_row(x, bias, centred, add=True)
    )
    return total, y


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
    """See `torch_ops.norm_grad`."""
    dx, y = torch.empty_like(x), torch.empty_like(x)
    kinds = _row(x, bias, centred, add=residual is not None)
    kernels.norm_grad[(x.shape[0],)](dy, x, weight, bias, residual, dx, y, x.shape[1], eps, **kinds)
    return dx, y


def _row(x: Tensor, bias: Tensor | None, centred: bool, *, add: bool) -> dict[str, int | bool]:
    width = triton.next_power_of_2(x.shape[1])
    return {
        "W": width,
        "CENTRED": centred,
        "ADD": add,
        "BIAS": bias is not None,
        "num_warps": min(16, max(4, width // 512)),
    }


def gelu(h: Tensor, *, exact: bool) -> Tensor:
    """See `torch_ops.gelu`."""
    y = torch.empty_like(h)
    kernels.gelu[(triton.cdiv(h.numel(), FLAT),)](h, y, h.numel(), FLAT, exact)
    return y


def gelu_grad(d: Tensor, h: Tensor, *, exact: bool) -> tuple[Tensor, Tensor]:
    """See `torch_ops.gelu_grad`; the results lie where the arguments lay."""
    kernels.gelu_grad[(triton.cdiv(h.numel(), FLAT),)](d, h, h.numel(), FLAT, exact)
    return h, d


def swiglu(gate_up: Tensor) -> Tensor:
    """See `torch_ops.swiglu`."""
    tokens, width = gate_up.shape[0], gate_up.shape[1] // 2
    y = gate_up.new_empty((tokens, width))
    kernels.swiglu[(tokens, triton.cdiv(width, FLAT))](gate_up, y, width, FLAT)
    return y


def swiglu_grad(d: Tensor, gate_up: Tensor) -> tuple[Tensor, Tensor]:
    """See `torch_ops.swiglu_grad`; the results lie where the arguments lay."""
    tokens, width = d.shape
    kernels.swiglu_grad[(tokens, triton.cdiv(width, FLAT))](d, gate_up, width, FLAT)
    return gate_up, d


def rotate_(heads: Tensor, cos: Tensor, sin: Tensor, *, back: bool) -> None:
    """See `torch_ops.rotate_`."""
    tokens, count, width = heads.shape
    kernels.rotate[(tokens,)](
        heads,
        cos,
        sin,
        heads.stride(0),
        cos.stride(0),
        count,
        triton.next_power_of_2(count),
        width // 2,
        back,
    )


def cross_entropy_(logits: Tensor, targets: Tensor) -> Tensor:
    """See `torch_ops.cross_entropy_`."""
    nll = torch.empty(logits.shape[0], dtype=torch.float32, device=logits.device)
    kernels.cross_entropy[(logits.shape[0],)](
        logits, targets, nll, logits.shape[1], VOCABULARY, num_warps=8
    )
    return nll


def nf4_weight_(out: Tensor, weight: Tensor, a: Tensor | None, b: Tensor | None) -> None:
    """See `torch_ops.nf4_weight_`; the width must be a multiple of 64, as a block's size is."""
    state = weight.quant_state  # type: ignore[attr-defined]
    rows, columns = state.shape
    nested = bool(state.nested)
    rank = 0 if a is None else a.shape[0]
    right, left = (out, out) if a is None or b is None else (a, b)
    kernels.nf4_weight[(triton.cdiv(rows, ROWS), triton.cdiv(columns, COLUMNS))](
        weight.data,
        state.absmax,
        state.code,
        state.state2.code if nested else state.absmax,
        state.state2.absmax if nested else state.absmax,
        state.offset if nested else state.absmax,
        right,
        left,
        out,
        rows,
        columns,
        right.stride(0),
        left.stride(0),
        rank,
        nested,
        state.state2.blocksize if nested else 1,
        min(64, max(16, triton.next_power_of_2(rank))),
        ROWS,
        COLUMNS,
    )
