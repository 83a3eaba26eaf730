"""The operations of a step that writes one token per row: their plain form, and which one is used.

keys and values are (rows, longest, key heads, width); `at` (rows,) int64 is where each row's token
stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from codetune_ui.engine.fused import torch_ops
from codetune_ui.engine.fused.attention import Heads
from codetune_ui.engine.fused.block import Norm
from codetune_ui.engine.fused.ops import operations

FEW = 8  # rows up to which one pass over B is the quicker way


@dataclass(frozen=True)
class Uses:
    """Which slots each token of a pass uses: masks (tokens, slots) of 0 and 1."""

    masks: Tensor
    _wide: dict[int, Tensor] = field(default_factory=dict)

    def wide(self, ranks: int) -> Tensor:
        """Return the masks (tokens, ranks) for the ranks of all slots; made once for a pass."""
        if ranks not in self._wide:
            often = ranks // self.masks.shape[1]
            self._wide[ranks] = self.masks.repeat_interleave(often, 1, output_size=ranks)
        return self._wide[ranks]

    def of(self, tokens: Tensor) -> Uses:
        """Return the same for some of the tokens."""
        return Uses(self.masks[tokens])


@dataclass(frozen=True)
class Product:
    """What a line computes, adapters' second halves not yet added.

    y (tokens, out + slots x ranks): the base's product, then x A^T of every slot; b (out, slots x
    ranks); uses says which slots a token uses. Without adapters y is (tokens, out).
    """

    y: Tensor
    outputs: int
    b: Tensor | None = None
    uses: Uses | None = None

    def settled(self) -> Tensor:
        """Return the whole product (tokens, out)."""
        if self.b is None or self.uses is None:
            return self.y
        if _by_triton(self.y):
            from codetune_ui.engine.fused import triton_decode

            return triton_decode.settle(self)
        ranks = self.b.shape[1]
        base, inner = self.y.split_with_sizes((self.outputs, ranks), 1)
        return torch.addmm(base, inner * self.uses.wide(ranks), self.b.T)


def _by_triton(y: Tensor) -> bool:
    return y.is_cuda and len(y) <= FEW


def activate(product: Product, activation: str) -> Tensor:
    """Return what an MLP's second product reads: gelu, gelu_tanh or swiglu of the first one."""
    if product.b is not None and _by_triton(product.y):
        from codetune_ui.engine.fused import triton_decode

        return triton_decode.activate(product, activation)
    ops = operations(product.y.device)
    found: Tensor
    if activation == "swiglu":
        found = ops.swiglu(product.settled())
    else:
        found = ops.gelu(product.settled(), exact=activation == "gelu")
    return found


def add_norm(
    stream: Tensor, product: Product | None, norm: Norm, ops: ModuleType
) -> tuple[Tensor, Tensor]:
    """Return the stream with a whole product added, where there is one, and the norm of that."""
    how = (norm.weight, norm.bias, norm.eps)
    if product is None:
        return stream, ops.norm(stream, *how, centred=norm.centred)
    if product.b is not None and _by_triton(product.y):
        from codetune_ui.engine.fused import triton_decode

        return triton_decode.add_norm(stream, product, *how, centred=norm.centred)
    found: tuple[Tensor, Tensor] = ops.add_norm(
        stream, product.settled(), *how, centred=norm.centred
    )
    return found


def place(
    product: Product,
    keys: Tensor,
    values: Tensor,
    at: Tensor,
    angles: tuple[Tensor, Tensor] | None,
    heads: Heads,
) -> Tensor:
    """Put each row's key and value where they belong; return what `attend_cached` reads.

    product: query, key and value of each row; angles: cos and sin of every position, (longest,
    width), by which query and key are turned.
    """
    if product.y.is_cuda:
        from codetune_ui.engine.fused import triton_decode

        return triton_decode.place(product, keys, values, at, angles, heads)
    qkv = product.settled()
    parts = qkv.view(len(qkv), -1, heads.width)
    if angles is not None:
        cos, sin = angles
        torch_ops.rotate_(parts[:, : heads.turned], cos[at], sin[at], back=False)
    for row, where in enumerate(at.tolist()):
        keys[row, where] = parts[row, heads.count : heads.turned]
        values[row, where] = parts[row, heads.turned :]
    return qkv


def attend_cached(qkv: Tensor, keys: Tensor, values: Tensor, at: Tensor, heads: Heads) -> Tensor:
    """Return each row's attention to all it has so far, (rows, heads x width).

    qkv: a row's queries, and whatever lies behind them.
    """
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
