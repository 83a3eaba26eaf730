"""Frozen projections that read one input, and their adapters, as one matrix product.

With W (out, in) the frozen weight, A (rank, in) and B (out, rank) the adapter and s its scale:

  forward     y  = x (W + s B A)^T            s B A is added to W in fp32, when W is unpacked from
  backward    dx = dy (W + s B A)             4 bit, and the sum is rounded once
              dA = (dy s B)^T x,  dB = s dy^T (x A^T)

A base in 16 bit is exact in its format, so that rounding the sum would lose a small adapter: there
the adapter's part is added to the product instead (`Group.folds`).

Projections that share an input (query, key and value; gate and up) lie one below the other, with
B as a block diagonal: one product, one read of the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

from codetune_ui.engine.fused.ops import operations, product

ALIGNED = 8  # elements: rows of 16 bit that begin on 16 bytes suit the matrix units


@dataclass(frozen=True)
class Projection:
    """One linear layer: a frozen weight (out, in), perhaps in 4 bit, and perhaps an adapter."""

    weight: Tensor
    bias: Tensor | None
    outputs: int
    inputs: int
    a: nn.Parameter | None = None
    b: nn.Parameter | None = None
    scale: float = 1.0

    @property
    def four_bit(self) -> bool:
        """Is the weight packed?"""
        return getattr(self.weight, "quant_state", None) is not None

    @property
    def rank(self) -> int:
        """The adapter's rank; 0 without one."""
        return 0 if self.a is None else self.a.shape[0]


@dataclass(frozen=True)
class Place:
    """Where one projection lies in its group."""

    projection: Projection
    ranks: slice  # rows of A, columns of B
    outputs: slice  # rows of B and of the weight


class Group:
    """Projections of one input, from `Projection`s in the order of their outputs."""

    def __init__(self, projections: list[Projection], dtype: torch.dtype) -> None:
        self.projections = projections
        self.dtype = dtype
        first = projections[0].weight
        self.ops: ModuleType = operations(first.device)
        self.outputs = sum(p.outputs for p in projections)
        self.inputs = projections[0].inputs
        self.folds = dtype == torch.float32 or all(p.four_bit for p in projections)
        self.bias = _joined_bias(projections, first.device, dtype)
        rank = sum(p.rank for p in projections)
        self.rank = -(-rank // ALIGNED) * ALIGNED
        self.a = torch.zeros((self.rank, self.inputs), dtype=dtype, device=first.device)
        self.b = torch.zeros((self.outputs, self.rank), dtype=dtype, device=first.device)
        # sums of a step, in fp32, laid out as `a` and `b`
        self.d_a = torch.zeros_like(self.a, dtype=torch.float32)
        self.d_b = torch.zeros_like(self.b, dtype=torch.float32)

    def places(self) -> list[Place]:
        """Return where each adapter's two halves lie in this group."""
        found = []
        rank = output = 0
        for projection in self.projections:
            ranks = slice(rank, rank + projection.rank)
            outputs = slice(output, output + projection.outputs)
            found.append(Place(projection, ranks, outputs))
            rank += projection.rank
            output += projection.outputs
        return found

    def weight(self) -> Tensor:
        """Return the weight (out, in) that the products use: with the adapter where it folds."""
        places = self.places()
        if len(places) == 1 and not places[0].projection.four_bit:
            return self._plain(places[0])
        whole = torch.empty((self.outputs, self.inputs), dtype=self.dtype, device=self.a.device)
        for place in places:
            out = whole[place.outputs]
            if place.projection.four_bit:
                self.ops.nf4_weight_(out, place.projection.weight, *self._adapter(place))
            else:
                out.copy_(self._plain(place))
        return whole

    def _plain(self, place: Place) -> Tensor:
        a, b = self._adapter(place)
        weight = place.projection.weight
        return weight if a is None or b is None else torch.addmm(weight, b, a)

    def _adapter(self, place: Place) -> tuple[Tensor, Tensor] | tuple[None, None]:
        if not place.projection.rank or not self.folds:
            return None, None
        return self.a[place.ranks], self.b[place.outputs, place.ranks]

    def forward(self, x: Tensor) -> Tensor:
        """Return the product (tokens, out)."""
        y = nn.functional.linear(x, self.weight(), self.bias)
        if self.rank and not self.folds:
            y.addmm_(x @ self.a.T, self.b.T)
        return y

    def backward(self, dy: Tensor) -> Tensor:
        """Return the gradient to the input (tokens, in)."""
        dx = dy @ self.weight()
        if self.rank and not self.folds:
            dx.addmm_(dy @ self.b, self.a)
        return dx

    def learn(self, x: Tensor, dy: Tensor) -> None:
        """Add the adapter's gradients of an input (tokens, in) and an output's (tokens, out)."""
        if not self.rank:
            return
        self.d_a += product((dy @ self.b).T, x)
        self.d_b += product(dy.T, x @ self.a.T)


def _joined_bias(
    projections: list[Projection], device: torch.device, dtype: torch.dtype
) -> Tensor | None:
    if all(p.bias is None for p in projections):
        return None
    parts = [
        torch.zeros(p.outputs, device=device, dtype=dtype) if p.bias is None else p.bias.to(dtype)
        for p in projections
    ]
    return torch.cat(parts)
