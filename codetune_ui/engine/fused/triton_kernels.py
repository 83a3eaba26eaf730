"""The Triton programs behind `triton_ops`: each reads its data once and writes its result once.

One program instance works on one row, one flat piece or one tile. All arithmetic is in fp32.
"""
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def norm(
    x,
    delta,
    weight,
    bias,
    total,
    y,
    width,
    eps,
    W: tl.constexpr,
    CENTRED: tl.constexpr,
    ADD: tl.constexpr,
    BIAS: tl.constexpr,
):
    """One row's norm, after an addition where ADD is set."""
    row = tl.program_id(0).to(tl.int64) * width
    at = tl.arange(0, W)
    mask = at < width
    value = tl.load(x + row + at, mask, 0.0).to(tl.float32)
    if ADD:
        value += tl.load(delta + row + at, mask, 0.0).to(tl.float32)
        value = value.to(total.dtype.element_ty).to(tl.float32)
        tl.store(total + row + at, value, mask)
    if CENTRED:
        value = tl.where(mask, value - tl.sum(value) / width, 0.0)
    unit = value * tl.rsqrt(tl.sum(value * value) / width + eps)
    result = unit * tl.load(weight + at, mask, 0.0).to(tl.float32)
    if BIAS:
        result += tl.load(bias + at, mask, 0.0).to(tl.float32)
    tl.store(y + row + at, result, mask)


@triton.jit
def norm_grad(
    dy,
    x,
    weight,
    bias,
    residual,
    dx,
    y,
    width,
    eps,
    W: tl.constexpr,
    CENTRED: tl.constexpr,
    ADD: tl.constexpr,
    BIAS: tl.constexpr,
):
    """One row's gradient through a norm, and the norm again."""
    row = tl.program_id(0).to(tl.int64) * width
    at = tl.arange(0, W)
    mask = at < width
    value = tl.load(x + row + at, mask, 0.0).to(tl.float32)
    gain = tl.load(weight + at, mask, 0.0).to(tl.float32)
    g = tl.load(dy + row + at, mask, 0.0).to(tl.float32) * gain
    if CENTRED:
        value = tl.where(mask, value - tl.sum(value) / width, 0.0)
    rstd = tl.rsqrt(tl.sum(value * value) / width + eps)
    unit = value * rstd
    grad = g - unit * (tl.sum(g * unit) / width)
    if CENTRED:
        grad -= tl.sum(g) / width
    grad *= rstd
    if ADD:
        grad += tl.load(residual + row + at, mask, 0.0).to(tl.float32)
    tl.store(dx + row + at, grad, mask)
    result = unit * gain
    if BIAS:
        result += tl.load(bias + at, mask, 0.0).to(tl.float32)
    tl.store(y + row + at, result, mask)


@triton.jit
def _gelu_parts(x, EXACT: tl.constexpr):
    """Return the share of x that passes, and that share's slope."""
    if EXACT:
        share = 0.5 * (1.0 + tl.erf(x * 0.7071067811865476))
        slope = 0.3989422804014327 * tl.exp(-0.5 * x * x)
    else:
        inner = 1.5957691216057308 * (x + 0.044715 * x * x * x)  # twice sqrt(2 / pi)
        share = tl.sigmoid(inner)  # (1 + tanh(inner / 2)) / 2
        slope = share * (1.0 - share) * 1.5957691216057308 * (1.0 + 0.134145 * x * x)
    return share, slope


@triton.jit
def gelu(h, y, count, SIZE: tl.constexpr, EXACT: tl.constexpr):
    """One piece of GELU."""
    at = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = at < count
    x = tl.load(h + at, mask, 0.0).to(tl.float32)
    share, _ = _gelu_parts(x, EXACT)
    tl.store(y + at, x * share, mask)


@triton.jit
def gelu_grad(d, h, count, SIZE: tl.constexpr, EXACT: tl.constexpr):
    """One piece of GELU's gradient, over `h`; GELU again, over `d`."""
    at = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = at < count
    x = tl.load(h + at, mask, 0.0).to(tl.float32)
    g = tl.load(d + at, mask, 0.0).to(tl.float32)
    share, slope = _gelu_parts(x, EXACT)
    tl.store(h + at, g * (share + x * slope), mask)
    tl.store(d + at, x * share, mask)


@triton.jit
def swiglu(gate_up, y, width, SIZE: tl.constexpr):
    """One piece of a row of SwiGLU."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    mask = at < width
    gate = tl.load(gate_up + row * 2 * width + at, mask, 0.0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * width + width + at, mask, 0.0).to(tl.float32)
    tl.store(y + row * width + at, gate * tl.sigmoid(gate) * up, mask)


@triton.jit
def swiglu_grad(d, gate_up, width, SIZE: tl.constexpr):
    """One piece of SwiGLU's gradient, over `gate_up`; SwiGLU again, over `d`."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    mask = at < width
    left = gate_up + row * 2 * width + at
    gate = tl.load(left, mask, 0.0).to(tl.float32)
    up = tl.load(left + width, mask, 0.0).to(tl.float32)
    g = tl.load(d + row * width + at, mask, 0.0).to(tl.float32)
    chance = tl.sigmoid(gate)
    silu = gate * chance
    tl.store(left, g * up * chance * (1.0 + gate * (1.0 - chance)), mask)
    tl.store(left + width, g * silu, mask)
    tl.store(d + row * width + at, silu * up, mask)


@triton.jit
def rotate(
    x,
    cos,
    sin,
    stride,
    angle_stride,
    heads,
    HEADS: tl.constexpr,
    HALF: tl.constexpr,
    BACK: tl.constexpr,
):
    """All heads of one token, turned by its angle."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, HALF)
    c = tl.load(cos + row * angle_stride + at).to(tl.float32)[None, :]
    s = tl.load(sin + row * angle_stride + at).to(tl.float32)[None, :]
    if BACK:
        s = -s
    head = tl.arange(0, HEADS)
    place = x + row * stride + head[:, None] * (2 * HALF) + at[None, :]
    mask = head[:, None] < heads
    first = tl.load(place, mask, 0.0).to(tl.float32)
    second = tl.load(place + HALF, mask, 0.0).to(tl.float32)
    tl.store(place, first * c - second * s, mask)
    tl.store(place + HALF, second * c + first * s, mask)


@triton.jit
def cross_entropy(logits, targets, nll, vocabulary, SIZE: tl.constexpr):
    """One row of logits: its loss, and the gradient over the logits."""
    row = tl.program_id(0).to(tl.int64)
    place = logits + row * vocabulary
    top = -float("inf")
    total = 0.0
    target = tl.load(targets + row)
    for start in range(0, vocabulary, SIZE):
        at = start + tl.arange(0, SIZE)
        x = tl.load(place + at, at < vocabulary, -float("inf")).to(tl.float32)
        higher = tl.maximum(top, tl.max(x))
        total = total * tl.exp(top - higher) + tl.sum(tl.exp(x - higher))
        top = higher
    log_sum = top + tl.log(total)
    asked = target >= 0
    wanted = tl.load(place + tl.maximum(target, 0)).to(tl.float32)
    tl.store(nll + row, tl.where(asked, log_sum - wanted, 0.0))
    tl.debug_barrier()  # nobody overwrites the target's logit before all have read it
    for start in range(0, vocabulary, SIZE):
        at = start + tl.arange(0, SIZE)
        x = tl.load(place + at, at < vocabulary, -float("inf")).to(tl.float32)
        grad = tl.exp(x - log_sum) - (at == target).to(tl.float32)
        tl.store(place + at, tl.where(asked, grad, 0.0), at < vocabulary)


@triton.jit
def nf4_weight(
    packed,
    scales,
    code,
    scale_code,
    outer,
    offset,
    a,
    b,
    out,
    rows,
    columns,
    a_stride,
    b_stride,
    rank,
    NESTED: tl.constexpr,
    OUTER: tl.constexpr,
    RANK: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
):
    """One tile of a 4-bit weight, with the adapter's part, rounded once."""
    row = tl.program_id(0) * M + tl.arange(0, M)
    inside = row[:, None] < rows
    pair = tl.program_id(1) * (N // 2) + tl.arange(0, N // 2)
    both = tl.load(
        packed + row[:, None].to(tl.int64) * (columns // 2) + pair[None, :],
        inside & (pair[None, :] < columns // 2),
        0,
    )
    high = tl.load(code + (both >> 4).to(tl.int32))  # bitsandbytes packs the first one high
    low = tl.load(code + (both & 15).to(tl.int32))
    block = tl.program_id(1) * (N // 64) + tl.arange(0, N // 64)
    index = row[:, None] * (columns // 64) + block[None, :]
    known = inside & (block[None, :] < columns // 64)
    scale = tl.load(scales + index, known, 0)
    if NESTED:
        inner = tl.load(scale_code + scale.to(tl.int32))
        scale = inner * tl.load(outer + index // OUTER, known, 0.0) + tl.load(offset)
    wide = tl.reshape(tl.broadcast_to(scale[:, :, None], (M, N // 64, 32)), (M, N // 2))
    weight = tl.interleave(high * wide, low * wide)
    column = tl.program_id(1) * N + tl.arange(0, N)
    fits = inside & (column[None, :] < columns)
    for start in range(0, rank, RANK):
        r = start + tl.arange(0, RANK)
        left = tl.load(b + row[:, None] * b_stride + r[None, :], inside & (r[None, :] < rank), 0.0)
        right = tl.load(
            a + r[:, None] * a_stride + column[None, :],
            (r[:, None] < rank) & (column[None, :] < columns),
            0.0,
        )
        weight += tl.dot(left, right)
    tl.store(out + row[:, None].to(tl.int64) * columns + column[None, :], weight, fits)
