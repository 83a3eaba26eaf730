"""The programs of `triton_decode`: one row of one token each, all arithmetic in fp32.

The first parameters of most are a product as `decode_ops.Product` has it: y with the base's outputs
and, behind `whole` of them, what the slots' first halves gave; b with the second halves; masks.
"""
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def total_of(
    y, b, masks, y_stride, rank_stride, mask_stride, whole,
    RANKS: tl.constexpr, SLOT_RANKS: tl.constexpr, GROUP: tl.constexpr,
    row, at, inside,
):  # fmt: skip
    """Some outputs of one row: the base's product, and what the row's adapter adds.

    Rank by rank, so that each thread adds up its own outputs and none waits for another; the loads
    of a group of ranks, which never crosses a slot's border, are under way together.
    """
    total = tl.load(y + row * y_stride + at, inside, 0.0).to(tl.float32)
    for start in range(0, RANKS, GROUP):
        used = tl.load(masks + row * mask_stride + start // SLOT_RANKS).to(tl.float32)
        for r in tl.static_range(GROUP):
            inner = tl.load(y + row * y_stride + whole + start + r).to(tl.float32)
            half = tl.load(b + (start + r) * rank_stride + at, inside, 0.0)
            total += inner * used * half.to(tl.float32)
    return total


@triton.jit
def settle(
    y, b, masks, y_stride, rank_stride, mask_stride, whole,
    RANKS: tl.constexpr, SLOT_RANKS: tl.constexpr, GROUP: tl.constexpr,
    result, outputs, ACTIVATION: tl.constexpr, OUT: tl.constexpr,
):  # fmt: skip
    """A piece of one row's product, and the activation after it where one is named."""
    row = tl.program_id(1)
    at = tl.program_id(0) * OUT + tl.arange(0, OUT)
    inside = at < outputs
    total = total_of(
        y, b, masks, y_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
        GROUP, row, at, inside,
    )  # fmt: skip
    if ACTIVATION == "swiglu":
        up = total_of(
            y, b, masks, y_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
            GROUP, row, at + outputs, inside,
        )  # fmt: skip
        total = total * tl.sigmoid(total) * up
    elif ACTIVATION == "gelu":
        total = total * 0.5 * (1.0 + tl.erf(total * 0.7071067811865476))
    elif ACTIVATION == "gelu_tanh":  # by way of sigmoid: (1 + tanh(x / 2)) / 2
        inner = 1.5957691216057308 * (total + 0.044715 * total * total * total)
        total = total * tl.sigmoid(inner)
    tl.store(result + row * outputs + at, total, inside)


@triton.jit
def add_norm(
    y, b, masks, y_stride, rank_stride, mask_stride, whole,
    RANKS: tl.constexpr, SLOT_RANKS: tl.constexpr, GROUP: tl.constexpr,
    stream, weight, bias, added, normed, n, eps, W: tl.constexpr, CENTRED: tl.constexpr,
    BIAS: tl.constexpr,
):  # fmt: skip
    """One row's product added to its stream, and the norm of the sum."""
    row = tl.program_id(0)
    at = tl.arange(0, W)
    inside = at < n
    x = total_of(
        y, b, masks, y_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
        GROUP, row, at, inside,
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
def place(
    y, b, masks, y_stride, rank_stride, mask_stride, whole,
    RANKS: tl.constexpr, SLOT_RANKS: tl.constexpr, GROUP: tl.constexpr,
    keys, values, at, cos, sin, row_stride, place_stride, angle_stride, COUNT: tl.constexpr,
    KEYS: tl.constexpr, HALF: tl.constexpr, TURNS: tl.constexpr, CHANGES: tl.constexpr,
):  # fmt: skip
    """One head of one row: a query changed where it lies, a key or value put into the cache."""
    row = tl.program_id(0)
    head = tl.program_id(1)
    where = tl.load(at + row)
    half = tl.arange(0, HALF)
    inside = half < HALF
    here = head * 2 * HALF + half
    first = total_of(
        y, b, masks, y_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
        GROUP, row, here, inside,
    )  # fmt: skip
    second = total_of(
        y, b, masks, y_stride, rank_stride, mask_stride, whole, RANKS, SLOT_RANKS,
        GROUP, row, here + HALF, inside,
    )  # fmt: skip
    if TURNS:
        turned = head < COUNT + KEYS
        c = tl.where(turned, tl.load(cos + where * angle_stride + half).to(tl.float32), 1.0)
        s = tl.where(turned, tl.load(sin + where * angle_stride + half).to(tl.float32), 0.0)
        left = first
        right = second
        first = left * c - right * s
        second = right * c + left * s
    spot = row * row_stride + where * place_stride + half
    if head >= COUNT + KEYS:
        target = values + spot + (head - COUNT - KEYS) * 2 * HALF
        tl.store(target, first)
        tl.store(target + HALF, second)
    elif head >= COUNT:
        target = keys + spot + (head - COUNT) * 2 * HALF
        tl.store(target, first)
        tl.store(target + HALF, second)
    elif CHANGES:
        tl.store(y + row * y_stride + here, first)
        tl.store(y + row * y_stride + here + HALF, second)


@triton.jit
def attend(
    qkv, keys, values, at, found, tops, sums, stride, row_stride, place_stride, scale, parts,
    COUNT: tl.constexpr, KEYS: tl.constexpr, GROUP: tl.constexpr, WIDTH: tl.constexpr,
    SIZE: tl.constexpr,
):  # fmt: skip
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
        spot = row * row_stride + k[:, None] * place_stride + head * WIDTH + d[None, :]
        key = tl.load(keys + spot, there[:, None], 0.0)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee") * scale
        scores = tl.where(there[None, :], scores, -float("inf"))
        top = tl.max(scores, 1)
        weight = tl.exp(scores - top[:, None])
        value = tl.load(values + spot, there[:, None], 0.0)
        part = tl.dot(weight.to(value.dtype), value, input_precision="ieee")
        result = (row * COUNT + query_head) * parts + tl.program_id(1)
        tl.store(found + result[:, None] * WIDTH + d[None, :], part, asked[:, None])
        tl.store(tops + result, top, asked)
        tl.store(sums + result, tl.sum(weight, 1), asked)


@triton.jit
def join(
    found, tops, sums, at, result, parts, COUNT: tl.constexpr, WIDTH: tl.constexpr,
    PARTS: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
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
