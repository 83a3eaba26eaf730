"""Causal attention within each example of a flat run of tokens, forward and backward."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from codetune_ui.engine.fused.cudnn_attention import (
    Form,
    backward_graph,
    forward_graph,
    has_cudnn_frontend,
    serves,
)


@dataclass(frozen=True)
class Borders:
    """Where examples begin and end in a flat run of tokens."""

    lengths: tuple[int, ...]  # for a CPU
    ends: Tensor  # for a GPU: (examples + 1,) int32, 0 and every end
    longest: int  # that an example may be; not the longest here, so that a pass can be recorded
    _known: dict[int, Tensor] = field(default_factory=dict, compare=False, repr=False)

    def starts(self, stride: int) -> Tensor:
        """Return where examples begin in a tensor with this row stride, in elements (int32).

        Computed once: all layers of a pass ask the same.
        """
        if stride not in self._known:
            self._known[stride] = self.ends * stride
        return self._known[stride]

    def sizes(self) -> Tensor:
        """Return the lengths of the examples on the device (int32)."""
        if 0 not in self._known:
            self._known[0] = self.ends[1:] - self.ends[:-1]
        return self._known[0]


@dataclass(frozen=True)
class Attended:
    """What an attention leaves for its backward pass."""

    output: Tensor  # (tokens, heads, width)
    kept: tuple[Tensor, ...]  # the sums of each row; nothing on a CPU


@dataclass(frozen=True)
class Heads:
    """How attention divides the width of query, key and value, which lie side by side."""

    count: int
    key_count: int
    width: int
    scale: float

    @property
    def turned(self) -> int:
        """Heads that rotary positions turn: those of queries and keys."""
        return self.count + self.key_count

    def split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return views of query, key and value: (tokens, heads, width) each."""
        parts = qkv.view(len(qkv), -1, self.width)
        query, key, value = torch.split(parts, [self.count, self.key_count, self.key_count], 1)
        return query, key, value


def attend(qkv: Tensor, heads: Heads, borders: Borders) -> Attended:
    """Attend causally inside each example; qkv (tokens, query | key | value)."""
    query, key, value = heads.split(qkv)
    if not qkv.is_cuda:
        return Attended(_by_example(query, key, value, borders, heads.scale), ())
    if has_cudnn_frontend() and serves(_form(qkv, heads, borders)):
        return _cudnn(qkv, heads, borders)
    output, sums, state, unused, _ = torch.ops.aten._flash_attention_forward(
        query,
        key,
        value,
        borders.ends,
        borders.ends,
        borders.longest,
        borders.longest,
        0.0,
        True,  # causal
        False,
        scale=heads.scale,
    )
    return Attended(output, (sums, state, unused))


def attend_grad(
    d_output: Tensor, qkv: Tensor, attended: Attended, heads: Heads, borders: Borders
) -> Tensor:
    """Return the gradient to query, key and value, laid out as they are."""
    d_output = d_output.view_as(attended.output)
    query, key, value = heads.split(qkv)
    if not qkv.is_cuda:
        return _joined(_by_example_grad(d_output, query, key, value, borders, heads.scale))
    if len(attended.kept) == 1:
        return _cudnn_grad(d_output, qkv, attended, heads, borders)
    sums, state, unused = attended.kept
    return _joined(
        torch.ops.aten._flash_attention_backward(
            d_output,
            query,
            key,
            value,
            attended.output,
            sums,
            borders.ends,
            borders.ends,
            borders.longest,
            borders.longest,
            0.0,
            True,
            state,
            unused,
            scale=heads.scale,
        )
    )


def _joined(grads: Sequence[Tensor]) -> Tensor:
    return torch.cat([grad.flatten(1) for grad in grads], -1)


# --- cuDNN


def _cudnn(qkv: Tensor, heads: Heads, borders: Borders) -> Attended:
    query, key, value = heads.split(qkv)
    out = torch.empty_like(query, memory_format=torch.contiguous_format)
    stats = qkv.new_empty((len(qkv), heads.count), dtype=torch.float32)
    forward_graph(_form(qkv, heads, borders)).run(
        q=query, k=key, v=value, out=out, stats=stats, **_places(qkv, heads, borders)
    )
    return Attended(out, (stats,))


def _cudnn_grad(
    d_output: Tensor, qkv: Tensor, attended: Attended, heads: Heads, borders: Borders
) -> Tensor:
    d_qkv = torch.empty_like(qkv)
    query, key, value = heads.split(qkv)
    dq, *parts = heads.split(d_qkv)
    dk, dv = (torch.empty_like(part, memory_format=torch.contiguous_format) for part in parts)
    backward_graph(_form(qkv, heads, borders)).run(
        q=query, k=key, v=value, out=attended.output, d_out=d_output, stats=attended.kept[0],
        dq=dq, dk=dk, dv=dv, keys_at=borders.starts(heads.key_count * heads.width),
        **_places(qkv, heads, borders),
    )  # fmt: skip
    for part, found in zip(parts, (dk, dv), strict=True):
        part.copy_(found)
    return d_qkv


def _form(qkv: Tensor, heads: Heads, borders: Borders) -> Form:
    return Form(
        len(borders.ends) - 1,
        borders.longest,
        len(qkv),
        heads.count,
        heads.key_count,
        heads.width,
        qkv.shape[1],
        qkv.dtype,
        heads.scale,
    )


def _places(qkv: Tensor, heads: Heads, borders: Borders) -> dict[str, Tensor]:
    return {
        "qkv_at": borders.starts(qkv.shape[1]),
        "out_at": borders.starts(heads.count * heads.width),
        "stats_at": borders.starts(heads.count),
        "lengths": borders.sizes(),
    }


# --- a CPU


def _by_example(
    query: Tensor, key: Tensor, value: Tensor, borders: Borders, scale: float
) -> Tensor:
    parts = []
    for start, length in _ranges(borders):
        # (1, heads, tokens, width), as torch's attention wants it
        q, k, v = (t[start : start + length].transpose(0, 1)[None] for t in (query, key, value))
        found = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=scale, enable_gqa=True
        )
        parts.append(found[0].transpose(0, 1))
    return torch.cat(parts)


def _by_example_grad(
    d_output: Tensor, query: Tensor, key: Tensor, value: Tensor, borders: Borders, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    # Computed once more with autograd: on a CPU attention is a small part of a step.
    inputs = [t.detach().requires_grad_() for t in (query, key, value)]
    with torch.enable_grad():
        output = _by_example(inputs[0], inputs[1], inputs[2], borders, scale)
    dq, dk, dv = torch.autograd.grad(output, inputs, d_output)
    return dq, dk, dv


def _ranges(borders: Borders) -> list[tuple[int, int]]:
    starts = itertools.accumulate(borders.lengths, initial=0)
    return list(zip(starts, borders.lengths, strict=False))
