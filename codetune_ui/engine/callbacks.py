"""What happens between two steps: figures become events, wishes to stop are heard, NaN ends it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
)

from codetune_ui.engine.hardware import Device, peak_memory_gib
from codetune_ui.engine.ranks import Ranks
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
        self._step_nll: torch.Tensor | float = 0.0
        self._step_targets: torch.Tensor | float = 0.0
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
        nll, targets = self._sums()
        since = {"nll": nll, "targets": targets}
        return {"tokens": self.total_tokens, "since_reading": since}

    def add_loss(self, nll: torch.Tensor, targets: torch.Tensor | int) -> None:
        """Add one pass: the summed loss and the count of its target tokens, left on the device."""
        self._step_nll = self._step_nll + nll.detach()
        self._step_targets = self._step_targets + targets

    def step_sums(self) -> list[torch.Tensor]:
        """Return the step's loss and targets, for those of other processes to be added in place."""
        nll = torch.as_tensor(self._step_nll, dtype=torch.float32)
        targets = torch.as_tensor(self._step_targets, dtype=torch.float32, device=nll.device)
        self._step_nll, self._step_targets = nll, targets
        return [nll, targets]

    def add_tokens(self, tokens: int) -> None:
        """Add the tokens of a step."""
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
        """Return a truth value on the device: whether the step's loss is a number."""
        return torch.isfinite(torch.as_tensor(self._step_nll))

    def accept(self, fine: torch.Tensor) -> None:
        """Let the step's loss count, or leave it out; the device is not asked."""
        self._nll = self._nll + torch.where(fine, self._step_nll, 0.0)
        self._targets = self._targets + torch.where(fine, self._step_targets, 0.0)
        self._step_nll = self._step_targets = 0.0

    def read(self) -> Reading:
        """Return what was added since the last reading, and begin anew.

        The loss is NaN where every step was left out.
        """
        self.pause()
        nll, targets = self._sums()
        loss = nll / targets if targets else math.nan
        reading = Reading(loss, self._tokens, self._seconds)
        self._nll = self._targets = 0.0
        self._step_nll = self._step_targets = 0.0
        self._tokens, self._seconds = 0, 0.0
        self.run()
        return reading

    def _sums(self) -> tuple[float, float]:
        nll, targets = self._nll + self._step_nll, self._targets + self._step_targets
        return float(nll), float(targets)


class Height:
    """Says once when the loss has gone up for long: a number still, but nothing is learned."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=USUAL)
        self._since: int | None = None
        self._said = False

    def look(self, step: int, loss: float) -> str:
        """Return a sentence when it is three times what is usual for twenty steps; else ""."""
        if math.isnan(loss):
            return ""
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
    """Ends the training after the step in which somebody asked for it, on all processes."""

    def __init__(self, stop: StopWish, reporter: Reporter, ranks: Ranks) -> None:
        self._stop = stop
        self._reporter = reporter
        self._ranks = ranks

    def on_step_end(
        self, _args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Stop, and save unless the wish is to discard."""
        wish = self._ranks.tell(self._stop())
        if wish and not control.should_training_stop:
            self._reporter.phase("Stopping", f"Stopping after step {state.global_step}.")
            control.should_training_stop = True
            control.should_evaluate = False  # who stops does not want to wait for figures
            control.should_log = True
            control.should_save = wish == "save"
        return control


class OwnChance(TrainerCallback):  # type: ignore[misc]
    """Lets the processes beside the first draw their dropout each for itself, and the same again.

    The first goes on from the generators that a checkpoint keeps; the others begin each step anew
    from its number, so that nothing of theirs needs to be kept.
    """

    def __init__(self, seed: int, rank: int) -> None:
        self._seed = seed
        self._rank = rank

    def on_step_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        """Seed this process's generators for a step."""
        if self._rank:
            words = np.random.SeedSequence([self._seed, self._rank, state.global_step])
            torch.manual_seed(int(words.generate_state(1, np.uint64)[0] >> 1))
