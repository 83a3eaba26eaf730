"""Keeps a loss or gradient that is not a number away from the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from codetune_ui.core.errors import RunError
from codetune_ui.engine.callbacks import Meter

MOST_LEFT_OUT = 3  # steps in a row: one bad batch happens, more of them are a training gone wrong


class Guard(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Leaves a bad step out, says so, and ends the training after some of them in a row.

    Asking a GPU would let it wait for the answer. So there the optimizer itself leaves such a step
    out, and the answer is read when the next step's turn comes.
    """

    def __init__(self, meter: Meter, say: Callable[[str], None]) -> None:
        self._meter = meter
        self._say = say
        self._in_a_row = 0
        self._asked: tuple[torch.Tensor, Any, int] | None = None  # answers, event, step

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _control: Any,
        model: Any = None,
        optimizer: Any = None,
        **_: Any,
    ) -> None:
        """Leave the step out when its loss or a gradient is NaN or infinite."""
        self._hear(args)
        loss = fine = self._meter.finite()
        if not args.fp16:  # with fp16 an infinite gradient is ordinary: its scaler skips the step
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            fine = fine & torch.isfinite(torch.nn.utils.get_total_norm(gradients))
        self._meter.accept(fine)
        if fine.is_cuda and not args.fp16:
            # What GradScaler sets, and fused AdamW obeys: above 0 the step changes nothing.
            getattr(optimizer, "optimizer", optimizer).found_inf = (~fine).float()
            self._ask(torch.stack((loss, fine)), state.global_step + 1)
            return
        if not bool(fine):
            for parameter in model.parameters():
                parameter.grad = None  # a parameter without a gradient stays as it is
        self._count(args, state.global_step + 1, loss=bool(loss), fine=bool(fine))

    def on_step_end(
        self, args: TrainingArguments, _state: Any, control: TrainerControl, **_: Any
    ) -> None:
        """Hear the last answer before anything is measured, saved or ended."""
        if control.should_evaluate or control.should_save or control.should_training_stop:
            self._hear(args)

    def _ask(self, answers: torch.Tensor, step: int) -> None:
        answer = torch.empty(2, dtype=torch.bool, pin_memory=True)
        answer.copy_(answers, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self._asked = answer, arrived, step

    def _hear(self, args: TrainingArguments) -> None:
        if self._asked is None:
            return
        answer, arrived, step = self._asked
        self._asked = None
        arrived.synchronize()
        loss, fine = answer.tolist()
        self._count(args, step, loss=loss, fine=fine)

    def _count(self, args: TrainingArguments, step: int, *, loss: bool, fine: bool) -> None:
        """Count a step; raise `RunError` when too many were left out, one after the other."""
        self._in_a_row = 0 if fine else self._in_a_row + 1
        if fine:
            return
        what = "gradient" if loss else "loss"
        if self._in_a_row <= MOST_LEFT_OUT and not args.fp16:  # a scaler needs its gradients
            self._say(f"Step {step:,} was left out: its {what} is not a number.")
            return
        before = "" if args.fp16 else f", and was none in the {MOST_LEFT_OUT} steps before"
        raise RunError(
            f"The {what} is not a number at step {step:,}{before}.",
            f"Lower the learning rate (it is {args.learning_rate:g}) and start again; "
            "the last checkpoint is from before.",
        )
