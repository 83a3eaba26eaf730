"""The operations of a step that writes one token per row: their plain form, and which one is used.

keys and values are (rows, longest, key heads, width); `at` (rows,) int64 is where each row's token
stands.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from codetune_ui.engine.fused import torch_ops
from codetune_ui.engine.fused.block import Heads
from codetune_ui.engine.fused.ops import has_triton

FEW = 8  # rows up to which one pass over B is the quicker way


def settle(y: Tensor, b: Tensor, masks: Tensor, outputs: int) -> Tensor:
    """Add the adapters' second halves to a product.

    y (tokens, out + slots x ranks): the base's product, then x A^T of every slot; b (out, slots x
    ranks); masks (tokens, slots) says which slots a token uses. Returns (tokens, out).
    """
    if y.is_cuda and len(y) <= FEW and has_triton():
        from codetune_ui.engine.fused import triton_decode

        return triton_decode.settle(y, b, masks, outputs)
    inner = y[:, outputs:].reshape(*masks.shape, -1) * masks[:, :, None]
    return torch.addmm(y[:, :outputs], inner.flatten(1), b.T)


def place_(
    qkv: Tensor,
    keys: Tensor,
    values: Tensor,
    at: Tensor,
    angles: tuple[Tensor, Tensor] | None,
    heads: Heads,
) -> None:
    """Turn each row's query and key by its position, and put key and value where they belong.

    qkv (rows, heads x width), all of query, key, value; angles: cos and sin of every position.
    """
    if qkv.is_cuda:
        from codetune_ui.engine.fused import triton_decode

        triton_decode.place_(qkv, keys, values, at, angles, heads)
        return
    parts = qkv.view(len(qkv), -1, heads.width)
    if angles is not None:
        cos, sin = angles
        torch_ops.rotate_(parts[:, : heads.turned], cos[at], sin[at], back=False)
    for row, place in enumerate(at.tolist()):
        keys[row, place] = parts[row, heads.count : heads.turned]
        values[row, place] = parts[row, heads.turned :]


def attend_cached(qkv: Tensor, keys: Tensor, values: Tensor, at: Tensor, heads: Heads) -> Tensor:
    """Return each row's attention to all it has so far, (rows, heads x width)."""
    if qkv.is_cuda:
        from codetune_ui.engine.fused import triton_decode

        return triton_decode.attend_cached(qkv, keys, values, at, heads)
    rows, end = len(qkv), int(at.max()) + 1
    # The queries that share a key head stand as several queries of one head.
    query = qkv[:, : heads.count * heads.width].view(rows, heads.key_count, -1, heads.width)
    mask = None
    if rows > 1:
        mask = (torch.arange(end, device=at.device) <= at[:, None])[:, None, None]
    found = F.scaled_dot_product_attention(
        query,
        keys[:rows, :end].transpose(1, 2),
        values[:rows, :end].transpose(1, 2),
        attn_mask=mask,
        scale=heads.scale,
    )
    return found.reshape(rows, -1)
