"""The head's loss and its gradient without the logits of a whole pass: piece by piece, once.

The gradient is made together with the loss, so that no piece of logits is computed twice; the head
itself is frozen. Only positions that carry loss are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from codetune_ui.engine.fused.ops import operations


@dataclass(frozen=True)
class Targets:
    """Which positions of a flat run of tokens carry loss (int64), and what comes after each."""

    places: Tensor
    ids: Tensor


def head_loss(y: Tensor, head: Tensor, targets: Targets, piece: int) -> Tensor:
    """Return the summed negative log-likelihood (fp32, a scalar); y (tokens, hidden)."""
    return _pieces(y, head, targets, piece, None)


def head_loss_and_grad(
    y: Tensor, head: Tensor, targets: Targets, piece: int
) -> tuple[Tensor, Tensor]:
    """Return the summed loss and its gradient to `y`; `head` is (vocabulary, hidden)."""
    grad = torch.zeros_like(y)
    return _pieces(y, head, targets, piece, grad), grad


def looked(logits: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the negative log-likelihood of each id (fp32), and the likeliest one in its place.

    logits (targets, vocabulary), ids (targets,); one that is -1 asks nothing, and any loss will do.
    """
    chances = logits.float().log_softmax(-1)
    return -chances.gather(1, ids.clamp(min=0)[:, None]).squeeze(1), chances.argmax(-1)


def _pieces(y: Tensor, head: Tensor, targets: Targets, piece: int, grad: Tensor | None) -> Tensor:
    ops = operations(y.device)
    total = torch.zeros((), dtype=torch.float32, device=y.device)
    for start in range(0, len(targets.places), piece):
        places = targets.places[start : start + piece]
        logits = y.index_select(0, places) @ head.T
        total += ops.cross_entropy_(logits, targets.ids[start : start + piece]).sum()
        if grad is not None:
            grad.index_copy_(0, places, logits @ head)
        del logits  # before the next piece: two of them would lie there at once
    return total
