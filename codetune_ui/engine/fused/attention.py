"""Causal attention within each example of a flat run of tokens, forward and backward."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Borders:
    """Where examples begin and end in a flat run of tokens."""

    lengths: tuple[int, ...]  # for a CPU
    ends: Tensor  # for a GPU: (examples + 1,) int32, 0 and every end
    longest: int  # that an example may be; not the longest here, so that a pass can be recorded


@dataclass(frozen=True)
class Attended:
    """What an attention leaves for its backward pass."""

    output: Tensor  # (tokens, heads, width)
    kept: tuple[Tensor, ...]  # the log-sum-exp and the state of the generator; nothing on a CPU


def attend(query: Tensor, key: Tensor, value: Tensor, borders: Borders, scale: float) -> Attended:
    """Attend causally inside each example.

    query (tokens, heads, width), key and value (tokens, key heads, width): views of one tensor do.
    """
    if not query.is_cuda:
        return Attended(_by_example(query, key, value, borders, scale), ())
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
        scale=scale,
    )
    return Attended(output, (sums, state, unused))


def attend_grad(
    d_output: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attended: Attended,
    borders: Borders,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients to query, key and value."""
    if not query.is_cuda:
        return _by_example_grad(d_output, query, key, value, borders, scale)
    sums, state, unused = attended.kept
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten._flash_attention_backward(
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
        scale=scale,
    )
    return found


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
