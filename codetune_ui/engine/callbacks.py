"""What happens between two steps: figures become events, wishes to stop are heard, NaN ends it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from codetune_ui.core.errors import RunError
from codetune_ui.engine.hardware import Device, peak_memory_gib
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.engine.spent import Spent

USUAL = 10  # points of the curve that say what is usual
TOO_HIGH = 3
FOR_STEPS = 20


@dataclass(frozen=True)
class Reading:
    """What was seen since the last look: mean loss per target token, tokens and seconds."""

    loss: float
    tokens: int
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        """Tokens of code per second of training."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


class Meter:
    """Adds up loss, tokens and time; evaluations and saves do not count as training time."""

    def __init__(self, tokens: int = 0) -> None:
        self.total_tokens = tokens
        self.total_seconds = 0.0
        self.own_tokens = 0
        self.spent = Spent()
        self._nll: torch.Tensor | float = 0.0
        self._targets: torch.Tensor | float = 0.0
        self._tokens = 0
        self._seconds = 0.0
        self._since: float | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Meter:
        """Return a meter that goes on from what `to_dict` gave; without it, a new one."""
        meter = cls(int(values.get("tokens", 0)))
        since = values.get("since_reading") or {}
        meter._nll = float(since.get("nll", 0.0))
        meter._targets = float(since.get("targets", 0.0))
        return meter

    def to_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to log what an undisturbed one would."""
        since = {"nll": float(self._nll), "targets": float(self._targets)}
        return {"tokens": self.total_tokens, "since_reading": since}

    def add_loss(self, nll: torch.Tensor, targets: torch.Tensor | int) -> None:
        """Add one pass: the summed loss and the count of its target tokens, left on the device."""
        self._nll = self._nll + nll.detach()
        self._targets = self._targets + targets

    def add_tokens(self, tokens: int) -> None:
        """Add the tokens of one pass."""
        self._tokens += tokens
        self.total_tokens += tokens
        self.own_tokens += tokens

    def run(self) -> None:
        """Let the clock run."""
        if self._since is None:
            self._since = time.monotonic()

    def pause(self) -> None:
        """Stop the clock, for an evaluation or a save."""
        if self._since is not None:
            spent = time.monotonic() - self._since
            self._seconds += spent
            self.total_seconds += spent
            self._since = None

    def finite(self) -> torch.Tensor:
        """Return a truth value on the device: whether the loss is a number so far."""
        return torch.isfinite(torch.as_tensor(self._nll))

    def read(self) -> Reading:
        """Return what was added since the last reading, and begin anew."""
        self.pause()
        reading = Reading(
            float(self._nll) / max(1.0, float(self._targets)), self._tokens, self._seconds
        )
        self._nll = self._targets = 0.0
        self._tokens, self._seconds = 0, 0.0
        self.run()
        return reading


class Height:
    """Says once when the loss has gone up for long: a number still, but nothing is learned."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=USUAL)
        self._since: int | None = None
        self._said = False

    def look(self, step: int, loss: float) -> str:
        """Return a sentence when it is three times what is usual for twenty steps; else ""."""
        usual = median(self._losses) if len(self._losses) == USUAL else math.inf
        if not loss > TOO_HIGH * usual:
            self._losses.append(loss)
            self._since = None
            return ""
        self._since = step if self._since is None else self._since
        if self._said or step - self._since < FOR_STEPS:
            return ""
        self._said = True
        return (
            f"The loss has been above {TOO_HIGH} times what it was ({usual:.3f}) since step "
            f"{self._since:,}: the learning rate may be too high."
        )


class Narrator(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Writes the figures of the Trainer as events."""

    def __init__(
        self,
        reporter: Reporter,
        device: Device,
        rows_per_step: int,
        rows_per_epoch: Callable[[], int | None],
    ) -> None:
        self._rows_per_epoch = rows_per_epoch  # None until the producer has been through once
        self._reporter = reporter
        self._device = device
        self._rows_per_step = rows_per_step
        self._height = Height()

    def on_step_end(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        """Note the step."""
        self._reporter.step(state.global_step)

    def on_log(
        self,
        _args: Any,
        state: TrainerState,
        _control: Any,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Write a `train` or an `eval` event."""
        logs = logs or {}
        if "loss" in logs:
            self._reporter.event("train", step=state.global_step, **self._figures(logs, state))
            if words := self._height.look(state.global_step, logs["loss"]):
                self._reporter.log(words, "warning")
        if "eval_loss" in logs:
            self._reporter.event("eval", step=state.global_step, val_loss=logs["eval_loss"])

    def _figures(self, logs: dict[str, Any], state: TrainerState) -> dict[str, Any]:
        rows, in_epoch = state.global_step * self._rows_per_step, self._rows_per_epoch()
        return {
            "loss": logs["loss"],
            "lr": logs.get("learning_rate"),
            "grad_norm": logs.get("grad_norm"),
            "tokens_per_s": round(logs["tokens_per_s"], 1),
            "memory_gib": round(peak_memory_gib(self._device), 3),
            "epoch": round(rows / in_epoch, 4) if in_epoch else None,
            "tokens": logs["tokens"],
        }


class Stopper(TrainerCallback):  # type: ignore[misc]
    """Ends the training after the step in which somebody asked for it."""

    def __init__(self, stop: StopWish, reporter: Reporter) -> None:
        self._stop = stop
        self._reporter = reporter

    def on_step_end(
        self, _args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Stop, and save unless the wish is to discard."""
        wish = self._stop()
        if wish and not control.should_training_stop:
            self._reporter.phase("Stopping", f"Stopping after step {state.global_step}.")
            control.should_training_stop = True
            control.should_evaluate = False  # who stops does not want to wait for figures
            control.should_log = True
            control.should_save = wish == "save"
        return control


class Guard(TrainerCallback):  # type: ignore[misc]
    """Ends the training before a loss or gradient that is not a number reaches the weights.

    Asking a GPU would let it wait for the answer. So there the optimizer itself leaves such a step
    out, and the answer is read when the next step's turn comes.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._asked: tuple[torch.Tensor, Any, int] | None = None  # answer, event, step

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _control: Any,
        model: Any = None,
        optimizer: Any = None,
        **_: Any,
    ) -> None:
        """Raise `RunError` when loss or gradient is NaN or infinite."""
        self._hear(args)
        fine = self._meter.finite()
        if not args.fp16:  # with fp16 an infinite gradient is ordinary: its scaler skips the step
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            fine = fine & torch.isfinite(torch.nn.utils.get_total_norm(gradients))
        if fine.is_cuda and not args.fp16:
            # What GradScaler sets, and fused AdamW obeys: above 0 the step changes nothing.
            getattr(optimizer, "optimizer", optimizer).found_inf = (~fine).float()
            self._ask(fine, state.global_step + 1)
        elif not bool(fine):
            raise self._error(args, state.global_step + 1)

    def on_step_end(
        self, args: TrainingArguments, _state: Any, control: TrainerControl, **_: Any
    ) -> None:
        """Hear the last answer before anything is measured, saved or ended."""
        if control.should_evaluate or control.should_save or control.should_training_stop:
            self._hear(args)

    def _ask(self, fine: torch.Tensor, step: int) -> None:
        answer = torch.empty((), dtype=torch.bool, pin_memory=True)
        answer.copy_(fine, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self._asked = answer, arrived, step

    def _hear(self, args: TrainingArguments) -> None:
        if self._asked is None:
            return
        answer, arrived, step = self._asked
        self._asked = None
        arrived.synchronize()
        if not bool(answer):
            raise self._error(args, step)

    def _error(self, args: TrainingArguments, step: int) -> RunError:
        what = "The loss" if not bool(self._meter.finite()) else "The gradient"
        return RunError(
            f"{what} is not a number at step {step}.",
            f"Lower the learning rate (it is {args.learning_rate:g}) and start again; "
            "the last checkpoint is from before.",
        )
