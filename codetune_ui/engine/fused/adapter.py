"""The adapter between the PEFT model's parameters and the groups that compute with it.

Once a step, in a few calls for all layers: weights in before the first pass, gradients out after
the last one.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from codetune_ui.engine.fused.linear import Group


class Adapter:
    """All adapted projections of a model, as lists that lie beside one another."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self.groups = [group for group in groups if group.rank]
        self._parameters: list[nn.Parameter] = []
        self._weights: list[Tensor] = []
        self._sums: list[Tensor] = []
        self._scales: list[float] = []  # of B alone: B is held with its scale
        for group in self.groups:
            for place in group.places():
                a, b = place.projection.a, place.projection.b
                if a is None or b is None:
                    continue
                inside = (place.outputs, place.ranks)
                self._add(a, group.a[place.ranks], group.d_a[place.ranks], 1.0)
                self._add(b, group.b[inside], group.d_b[inside], place.projection.scale)

    @property
    def count(self) -> int:
        """Trained weights."""
        return sum(parameter.numel() for parameter in self._parameters)

    def _add(self, parameter: nn.Parameter, weight: Tensor, total: Tensor, scale: float) -> None:
        self._parameters.append(parameter)
        self._weights.append(weight)
        self._sums.append(total)
        self._scales.append(scale)

    @torch.no_grad()
    def take(self) -> None:
        """Take the weights as the optimizer left them, and begin the sums of a step anew."""
        scaled = torch._foreach_mul(list(self._parameters), self._scales)
        torch._foreach_copy_(self._weights, scaled)
        torch._foreach_zero_([total for group in self.groups for total in (group.d_a, group.d_b)])

    @torch.no_grad()
    def give(self) -> None:
        """Put the step's gradients into the parameters."""
        gradients = torch._foreach_mul(self._sums, self._scales)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()
