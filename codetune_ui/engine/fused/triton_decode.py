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

from codetune_ui.engine.fused.block import Heads

SPAN = 64  # keys of one part of an attention
OUTPUTS, RANKS = 128, 32  # of one tile of B


def settle(y: Tensor, b: Tensor, masks: Tensor, outputs: int) -> Tensor:
    """See `decode_ops.settle`."""
    rows, ranks = len(y), b.shape[1]
    result = y.new_empty((rows, outputs))
    _settle[(triton.cdiv(outputs, OUTPUTS), rows)](
        y,
        b,
        masks,
        result,
        outputs,
        y.stride(0),
        b.stride(0),
        masks.stride(0),
        ranks,
        ranks // masks.shape[1],
        OUTPUTS,
        RANKS,
    )
    return result


def place_(
    qkv: Tensor,
    keys: Tensor,
    values: Tensor,
    at: Tensor,
    angles: tuple[Tensor, Tensor] | None,
    heads: Heads,
) -> None:
    """See `decode_ops.place_`."""
    cos, sin = (qkv, qkv) if angles is None else angles
    _place[(len(qkv), heads.turned + heads.key_count)](
        qkv,
        keys,
        values,
        at,
        cos,
        sin,
        qkv.stride(0),
        keys.stride(0),
        keys.stride(1),
        cos.stride(0),
        heads.count,
        heads.key_count,
        heads.width // 2,
        angles is not None,
    )


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
def _settle(
    y,
    b,
    masks,
    result,
    outputs,
    y_stride,
    b_stride,
    mask_stride,
    ranks,
    slot_ranks,
    OUT: tl.constexpr,
    RANK: tl.constexpr,
):
    """A piece of one row: the base's product, and what its adapter adds."""
    row = tl.program_id(1)
    at = tl.program_id(0) * OUT + tl.arange(0, OUT)
    inside = at < outputs
    total = tl.load(y + row * y_stride + at, inside, 0.0).to(tl.float32)
    for start in range(0, ranks, RANK):
        r = start + tl.arange(0, RANK)
        known = r < ranks
        inner = tl.load(y + row * y_stride + outputs + r, known, 0.0).to(tl.float32)
        inner *= tl.load(masks + row * mask_stride + r // slot_ranks, known, 0.0).to(tl.float32)
        half = tl.load(
            b + at[:, None] * b_stride + r[None, :], inside[:, None] & known[None, :], 0.0
        )
        total += tl.sum(half.to(tl.float32) * inner[None, :], 1)
    tl.store(result + row * outputs + at, total, inside)


@triton.jit
def _place(
    qkv,
    keys,
    values,
    at,
    cos,
    sin,
    stride,
    row_stride,
    place_stride,
    angle_stride,
    COUNT: tl.constexpr,
    KEYS: tl.constexpr,
    HALF: tl.constexpr,
    TURNS: tl.constexpr,
):
    """One head of one row: a query turned where it lies, a key or value put into the cache."""
    row = tl.program_id(0)
    head = tl.program_id(1)
    where = tl.load(at + row)
    half = tl.arange(0, HALF)
    source = qkv + row * stride + head * 2 * HALF + half
    first = tl.load(source)
    second = tl.load(source + HALF)
    if TURNS:
        turned = head < COUNT + KEYS
        c = tl.where(turned, tl.load(cos + where * angle_stride + half).to(tl.float32), 1.0)
        s = tl.where(turned, tl.load(sin + where * angle_stride + half).to(tl.float32), 0.0)
        left = first.to(tl.float32)
        right = second.to(tl.float32)
        first = (left * c - right * s).to(qkv.dtype.element_ty)
        second = (right * c + left * s).to(qkv.dtype.element_ty)
        if head < COUNT:
            tl.store(source, first)
            tl.store(source + HALF, second)
    place = row * row_stride + where * place_stride + half
    if head >= COUNT + KEYS:
        target = values + place + (head - COUNT - KEYS) * 2 * HALF
        tl.store(target, first)
        tl.store(target + HALF, second)
    elif head >= COUNT:
        target = keys + place + (head - COUNT) * 2 * HALF
        tl.store(target, first)
        tl.store(target + HALF, second)


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
