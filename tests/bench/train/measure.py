"""The steps of one side, timed: the same optimizer, clipping and clock for all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from codetune_ui.core.pack import Row, fill_ratio

GIB = 2**30

Step = Sequence[Sequence[Row]]  # a step's passes, each of so many rows


@dataclass(frozen=True)
class Task:
    """What every side is given: the shape, and the rows of each step."""

    shape: str
    max_seq_len: int
    steps: Sequence[Step]
    device: str
    dtype: torch.dtype


@dataclass(frozen=True)
class Side:
    """A model ready to train.

    `run(n)` leaves the gradients of step n in `trained` and returns the loss per target token.
    """

    trained: list[torch.nn.Parameter]
    run: Callable[[int], torch.Tensor]


@dataclass(frozen=True)
class Figures:
    """One line of the table; gibibytes are None where there is no CUDA device."""

    tokens_per_s: float
    peak_gib: float | None
    reserved_gib: float | None
    first_loss: float
    first_grad_norm: float
    first_step_s: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(side: Side, task: Task, warm_up: int) -> Figures:
    """Train all steps of the task; the median speed is that of the steps after the warm-up.

    The clock runs from a step's first kernel to the end of its optimizer step, and the device is
    idle at both ends. Only code counts as tokens: padding does not.
    """
    on_cuda = task.device == "cuda"
    optimizer = torch.optim.AdamW(side.trained, lr=1e-4, fused=on_cuda)
    gc.collect()
    if on_cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    seconds: list[float] = []
    losses, norms = [], []
    for number in range(len(task.steps)):
        _wait(on_cuda)
        begun = time.perf_counter()
        losses.append(side.run(number))
        norms.append(torch.nn.utils.clip_grad_norm_(side.trained, 1.0))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _wait(on_cuda)
        seconds.append(time.perf_counter() - begun)
    speeds = [tokens_of(step) / s for step, s in zip(task.steps, seconds, strict=True)]
    return Figures(
        tokens_per_s=statistics.median(speeds[warm_up:]),
        peak_gib=torch.cuda.max_memory_allocated() / GIB if on_cuda else None,
        reserved_gib=torch.cuda.max_memory_reserved() / GIB if on_cuda else None,
        first_loss=float(losses[0]),
        first_grad_norm=float(norms[0]),
        first_step_s=seconds[0],
    )


def tokens_of(step: Step) -> int:
    """Return how many tokens of a step are code."""
    return sum(round(fill_ratio(row) * len(row.ids)) for rows in step for row in rows)


def _wait(on_cuda: bool) -> None:
    if on_cuda:
        torch.cuda.synchronize()


def card(device: str) -> str:
    """Return the name of the device."""
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"
