"""The operations of `decode_ops` as Triton programs, for rows of one token each.

All arithmetic is in fp32. Attention is divided over the keys, so that one row keeps many
processors busy; parts behind a row's end leave at once.
"""
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from __future__ import annotations

import math

import torch
import triton
from torch import Tensor

from codetune_ui.engine.fused import triton_decode_kernels as kernels
from codetune_ui.engine.fused.attention import Heads
from codetune_ui.engine.fused.decode_ops import Product

SPAN = 64  # keys of one part of an attention
OUTPUTS = 128  # of one program, where a row is divided
GROUP = 16  # ranks that are read at once, at most


def settle(product: Product) -> Tensor:
    """See `Product.settled`."""
    rows, outputs = len(product.y), product.outputs
    result = product.y.new_empty((rows, outputs))
    kernels.settle[(triton.cdiv(outputs, OUTPUTS), rows)](
        *_parts(product), result, outputs, "", OUTPUTS
    )
    return result


def activate(product: Product, activation: str) -> Tensor:
    """See `decode_ops.activate`."""
    rows = len(product.y)
    outputs = product.outputs // 2 if activation == "swiglu" else product.outputs
    result = product.y.new_empty((rows, outputs))
    kernels.settle[(triton.cdiv(outputs, OUTPUTS), rows)](
        *_parts(product), result, outputs, activation, OUTPUTS
    )
    return result


def add_norm(
    stream: Tensor,
    product: Product,
    weight: Tensor,
    bias: Tensor | None,
    eps: float,
    *,
    centred: bool,
) -> tuple[Tensor, Tensor]:
    """See `decode_ops.add_norm`: a launch less than settling the product first."""
    total, y = torch.empty_like(stream), torch.empty_like(stream)
    width = triton.next_power_of_2(product.outputs)
    kernels.add_norm[(len(stream),)](
        *_parts(product),
        stream,
        weight,
        bias,
        total,
        y,
        product.outputs,
        eps,
        width,
        centred,
        bias is not None,
        num_warps=min(16, max(4, width // 128)),
    )
    return total, y


def place(
    product: Product,
    keys: Tensor,
    values: Tensor,
    at: Tensor,
    angles: tuple[Tensor, Tensor] | None,
    heads: Heads,
) -> Tensor:
    """See `decode_ops.place`; the queries are written over the product's."""
    qkv = product.y
    cos, sin = (qkv, qkv) if angles is None else angles
    kernels.place[(len(qkv), heads.turned + heads.key_count)](
        *_parts(product),
        keys,
        values,
        at,
        cos,
        sin,
        keys.stride(0),
        keys.stride(1),
        cos.stride(0),
        heads.count,
        heads.key_count,
        heads.width // 2,
        angles is not None,
        angles is not None or product.b is not None,
    )
    return qkv


def _parts(product: Product) -> tuple[Tensor, Tensor, Tensor, int, int, int, int, int, int, int]:
    """Return a product as all kernels take it: see their first parameters.

    The outputs of one rank of b lie side by side.
    """
    y, b = product.y, product.b
    if b is None or product.uses is None:
        return y, y, y, y.stride(0), 0, 0, product.outputs, 0, 1, 1
    masks, ranks = product.uses.masks, b.shape[1]
    slot_ranks = ranks // masks.shape[1]
    strides = (y.stride(0), b.stride(1), masks.stride(0))
    return y, b, masks, *strides, product.outputs, ranks, slot_ranks, math.gcd(slot_ranks, GROUP)


def attend_cached(qkv: Tensor, keys: Tensor, values: Tensor, at: Tensor, heads: Heads) -> Tensor:
    """See `decode_ops.attend_cached`."""
    rows, parts = len(qkv), triton.cdiv(keys.shape[1], SPAN)
    found = torch.empty((rows, heads.count, parts, heads.width), device=qkv.device)
    weights = torch.empty((2, rows, heads.count, parts), device=qkv.device)
    group = triton.next_power_of_2(heads.count // heads.key_count)
    kernels.attend[(rows * heads.key_count, parts)](
        qkv,
        keys,
        values,
        at,
        found,
        weights[0],
        weights[1],
        qkv.stride(0),
        keys.stride(0),
        keys.stride(1),
        heads.scale,
        parts,
        heads.count,
        heads.key_count,
        max(16, group),  # the matrix units' least
        heads.width,
        SPAN,
    )
    result = qkv.new_empty((rows, heads.count * heads.width))
    kernels.join[(rows * heads.count,)](
        found,
        weights[0],
        weights[1],
        at,
        result,
        parts,
        heads.count,
        heads.width,
        triton.next_power_of_2(parts),
        SPAN,
    )
    return result
