"""The operations of `decode_ops` as Triton programs, for rows of one token each.

All arithmetic is in fp32. Attention is divided over the keys, so that one row keeps many
processors busy; parts behind a row's end leave at once.
"""
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from codetune_ui.engine.fused.attention import Heads
from codetune_ui.engine.fused.decode_ops import Product

SPAN = 64  # keys of one part of an attention
OUTPUTS, RANKS = 128, 32  # of one tile of B
ROW_TILE = 32768  # numbers of B that one program holds when a whole row is its own


def settle(product: Product) -> Tensor:
    """See `Product.settled`."""
    rows, outputs = len(product.y), product.outputs
    result = product.y.new_empty((rows, outputs))
    _settle[(triton.cdiv(outputs, OUTPUTS), rows)](
        *_parts(product), result, outputs, "", OUTPUTS, _tile(product)
    )
    return result


def activate(product: Product, activation: str) -> Tensor:
    """See `decode_ops.activate`."""
    rows = len(product.y)
    outputs = product.outputs // 2 if activation == "swiglu" else product.outputs
    result = product.y.new_empty((rows, outputs))
    _settle[(triton.cdiv(outputs, OUTPUTS), rows)](
        *_parts(product), result, outputs, activation, OUTPUTS, _tile(product)
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
    _add_norm[(len(stream),)](
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
        max(1, min(_tile(product), ROW_TILE // width)),
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
    _place[(len(qkv), heads.turned + heads.key_count)](
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
        _tile(product),
    )
    return qkv


def _parts(product: Product) -> tuple[Tensor, Tensor, Tensor, int, int, int, int, int, int, int]:
    """Return what `_total` reads: y, b and masks with their strides, and how the ranks lie."""
    y, b = product.y, product.b
    if b is None or product.uses is None:
        return y, y, y, y.stride(0), 0, 0, 0, product.outputs, 0, 1
    masks, ranks = product.uses.masks, b.shape[1]
    strides = (y.stride(0), b.stride(0), b.stride(1), masks.stride(0))
    return y, b, masks, *strides, product.outputs, ranks, ranks // masks.shape[1]


def _tile(product: Product) -> int:
    """Return how many ranks are read at once, a power of two."""
    ranks = 1 if product.b is None else product.b.shape[1]
    return int(min(RANKS, triton.next_power_of_2(ranks)))


def attend_cached(qkv: Tensor, keys: Tensor, values: Tensor, at: Tensor, heads: Heads) -> Tensor:
    """See `decode_ops.attend_cached`."""
    rows, parts = len(qkv), triton.cdiv(keys.shape[1], SPAN)
    found = torch.empty((rows, heads.count, parts, heads.width), device=qkv.device)
    weights = torch.empty((2, rows, heads.count, parts), device=qkv.device)
    group = triton.next_power_of_2(heads.count // heads.key_count)
    _attend[(rows * heads.key_count, parts)](
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
    _join[(rows * heads.count,)](
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


@triton.jit
def _total(
    y,
    b,
    masks,
    y_stride,
    b_stride,
    rank_stride,
    mask_stride,
    whole,
    RANKS: tl.constexpr,
    SLOT_RANKS: tl.constexpr,
    row,
    at,
    inside,
    RANK: tl.constexpr,
):
    """Some outputs of one row: the base's product, and what the row's adapter adds."""
    total = tl.load(y + row * y_stride + at, inside, 0.0).to(tl.float32)
    for start in tl.static_range(0, RANKS, RANK):
        r = start + tl.arange(0, RANK)
        known = r < RANKS
        inner = tl.load(y + row * y_stride + whole + r, known, 0.0).to(tl.float32)
        inner *= tl.load(masks + row * mask_stride + r // SLOT_RANKS, known, 0.0).to(tl.float32)
        half = tl.load(
            b + at[:, None] * b_stride + r[None, :] * rank_stride,
            inside[:, None] & known[None, :],
            0.0,
        )
        total += tl.sum(half.to(tl.float32) * inner[None, :], 1)
    return total


@triton.jit
def _settle(
    y,
    b,
    masks,
    y_stride,
    b_stride,
    rank_stride,
    mask_stride,
    whole,
    RANKS: tl.constexpr,
    SLOT_RANKS: tl.constexpr,
    result,
    outputs,
    ACTIVATION: tl.constexpr,
    OUT: tl.constexpr,
    RANK: tl.constexpr,
):
    """A piece of one row's product, and the activation after it where one is named."""
    row = tl.program_id(1)
    at = tl.program_id(0) * OUT + tl.arange(0, OUT)
    inside = at < outputs
    total = _total(
        y, b, masks, y_stride, b_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
        row, at, inside, RANK,
    )  # fmt: skip
    if ACTIVATION == "swiglu":
        up = _total(
            y, b, masks, y_stride, b_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
            row, at + outputs, inside, RANK,
        )  # fmt: skip
        total = total * tl.sigmoid(total) * up
    elif ACTIVATION == "gelu":
        total = total * 0.5 * (1.0 + tl.erf(total * 0.7071067811865476))
    elif ACTIVATION == "gelu_tanh":  # by way of sigmoid: (1 + tanh(x / 2)) / 2
        inner = 1.5957691216057308 * (total + 0.044715 * total * total * total)
        total = total * tl.sigmoid(inner)
    tl.store(result + row * outputs + at, total, inside)


@triton.jit
def _add_norm(
    y,
    b,
    masks,
    y_stride,
    b_stride,
    rank_stride,
    mask_stride,
    whole,
    RANKS: tl.constexpr,
    SLOT_RANKS: tl.constexpr,
    stream,
    weight,
    bias,
    added,
    normed,
    n,
    eps,
    W: tl.constexpr,
    CENTRED: tl.constexpr,
    BIAS: tl.constexpr,
    RANK: tl.constexpr,
):
    """One row's product added to its stream, and the norm of the sum."""
    row = tl.program_id(0)
    at = tl.arange(0, W)
    inside = at < n
    x = _total(
        y, b, masks, y_stride, b_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
        row, at, inside, RANK,
    )  # fmt: skip
    x += tl.load(stream + row * n + at, inside, 0.0).to(tl.float32)
    x = x.to(added.dtype.element_ty).to(tl.float32)
    tl.store(added + row * n + at, x, inside)
    if CENTRED:
        x = tl.where(inside, x - tl.sum(x) / n, 0.0)
    x *= tl.rsqrt(tl.sum(x * x) / n + eps)
    x *= tl.load(weight + at, inside, 0.0).to(tl.float32)
    if BIAS:
        x += tl.load(bias + at, inside, 0.0).to(tl.float32)
    tl.store(normed + row * n + at, x, inside)


@triton.jit
def _place(
    y,
    b,
    masks,
    y_stride,
    b_stride,
    rank_stride,
    mask_stride,
    whole,
    RANKS: tl.constexpr,
    SLOT_RANKS: tl.constexpr,
    keys,
    values,
    at,
    cos,
    sin,
    row_stride,
    place_stride,
    angle_stride,
    COUNT: tl.constexpr,
    KEYS: tl.constexpr,
    HALF: tl.constexpr,
    TURNS: tl.constexpr,
    CHANGES: tl.constexpr,
    RANK: tl.constexpr,
):
    """One head of one row: a query changed where it lies, a key or value put into the cache."""
    row = tl.program_id(0)
    head = tl.program_id(1)
    where = tl.load(at + row)
    half = tl.arange(0, HALF)
    inside = half < HALF
    here = head * 2 * HALF + half
    first = _total(
        y, b, masks, y_stride, b_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
        row, here, inside, RANK,
    )  # fmt: skip
    second = _total(
        y, b, masks, y_stride, b_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
        row, here + HALF, inside, RANK,
    )  # fmt: skip
    if TURNS:
        turned = head < COUNT + KEYS
        c = tl.where(turned, tl.load(cos + where * angle_stride + half).to(tl.float32), 1.0)
        s = tl.where(turned, tl.load(sin + where * angle_stride + half).to(tl.float32), 0.0)
        left = first
        right = second
        first = left * c - right * s
        second = right * c + left * s
    place = row * row_stride + where * place_stride + half
    if head >= COUNT + KEYS:
        target = values + place + (head - COUNT - KEYS) * 2 * HALF
        tl.store(target, first)
        tl.store(target + HALF, second)
    elif head >= COUNT:
        target = keys + place + (head - COUNT) * 2 * HALF
        tl.store(target, first)
        tl.store(target + HALF, second)
    elif CHANGES:
        tl.store(y + row * y_stride + here, first)
        tl.store(y + row * y_stride + here + HALF, second)


@triton.jit
def _attend(
    qkv,
    keys,
    values,
    at,
    found,
    tops,
    sums,
    stride,
    row_stride,
    place_stride,
    scale,
    parts,
    COUNT: tl.constexpr,
    KEYS: tl.constexpr,
    GROUP: tl.constexpr,
    WIDTH: tl.constexpr,
    SIZE: tl.constexpr,
):
    """The queries of one key head over some of its keys: a sum, its weight and its top score."""
    row = tl.program_id(0) // KEYS
    head = tl.program_id(0) % KEYS
    start = tl.program_id(1) * SIZE
    last = tl.load(at + row)
    if start <= last:
        g = tl.arange(0, GROUP)
        d = tl.arange(0, WIDTH)
        k = start + tl.arange(0, SIZE)
        asked = g < COUNT // KEYS
        there = k <= last
        query_head = head * (COUNT // KEYS) + g
        query = tl.load(
            qkv + row * stride + query_head[:, None] * WIDTH + d[None, :], asked[:, None], 0.0
        )
        place = row * row_stride + k[:, None] * place_stride + head * WIDTH + d[None, :]
        key = tl.load(keys + place, there[:, None], 0.0)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee") * scale
        scores = tl.where(there[None, :], scores, -float("inf"))
        top = tl.max(scores, 1)
        weight = tl.exp(scores - top[:, None])
        value = tl.load(values + place, there[:, None], 0.0)
        part = tl.dot(weight.to(value.dtype), value, input_precision="ieee")
        result = (row * COUNT + query_head) * parts + tl.program_id(1)
        tl.store(found + result[:, None] * WIDTH + d[None, :], part, asked[:, None])
        tl.store(tops + result, top, asked)
        tl.store(sums + result, tl.sum(weight, 1), asked)


@triton.jit
def _join(
    found,
    tops,
    sums,
    at,
    result,
    parts,
    COUNT: tl.constexpr,
    WIDTH: tl.constexpr,
    PARTS: tl.constexpr,
    SIZE: tl.constexpr,
):
    """One head's parts, put together."""
    head = tl.program_id(0)
    used = tl.load(at + head // COUNT) // SIZE + 1
    p = tl.arange(0, PARTS)
    d = tl.arange(0, WIDTH)
    top = tl.load(tops + head * parts + p, p < used, -float("inf"))
    share = tl.exp(top - tl.max(top))
    total = tl.sum(share * tl.load(sums + head * parts + p, p < used, 0.0))
    part = tl.load(
        found + (head * parts + p[:, None]) * WIDTH + d[None, :], (p < used)[:, None], 0.0
    )
    tl.store(result + head * WIDTH + d, tl.sum(part * share[:, None], 0) / total)
