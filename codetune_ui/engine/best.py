"""Which adapter is kept: scorecards as they come, the best one's weights, and the early stop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.errors import MachineError
from codetune_ui.core.scorecard import (
    Score,
    scores_of,
    stopped_early,
    why_this_adapter,
    without_gain,
)
from codetune_ui.engine import checkpoint
from codetune_ui.engine.report import Reporter
from codetune_ui.engine.scorecard import Reading
from codetune_ui.runs.events import read_events
from codetune_ui.runs.store import Run


@dataclass(frozen=True)
class Kept:
    """The adapter that was put in its place: its folder, the step it is from, and why that one."""

    folder: Path
    step: int
    why: str


class Best:
    """What is known of a run's scorecards, those of earlier attempts included."""

    def __init__(self, run: Run, reporter: Reporter, *, resumed: bool) -> None:
        if not resumed:
            checkpoint.drop_best(run)
        config = run.config()
        self._run = run
        self._reporter = reporter
        self._wanted = config.keep_best
        self._patience = config.early_stop
        self._total_steps = config.max_steps
        self.scores = scores_of(read_events(run.events_path)[0]) if resumed else []
        self._kept = checkpoint.kept_best(run) if self._wanted == "best" else None
        self._besides = self._kept[0] if self._kept else None

    def take(self, step: int, reading: Reading, model: Any) -> None:
        """Note a look at held-out holes, and keep the adapter when it is the best so far."""
        self._reporter.event(
            "scorecard",
            step=step,
            holes=reading.holes,
            middle_nll_per_char=reading.nll_per_char,
            exact=reading.exact,
        )
        nll = reading.nll_per_char
        self.scores = [score for score in self.scores if score.step < step]
        if nll == nll:  # a number
            self.scores.append(Score(nll, step))
            self._keep(Score(nll, step), model)

    def _keep(self, score: Score, model: Any) -> None:
        if self._wanted != "best" or not score.step or self._is_kept_better(score):
            return
        try:
            written = checkpoint.keep_best(
                model, self._run, score.step, score.nll, besides=self._besides
            )
        except (
            MachineError
        ) as error:  # a full disk: the next checkpoint will say whether it stays so
            words = f"The adapter of step {score.step:,} was not kept: {error.message}"
            self._reporter.log(words, "warning")
            return
        self._kept = written, score.nll

    def _is_kept_better(self, score: Score) -> bool:
        return self._kept is not None and self._kept[1] <= score.nll

    def measured(self, step: int) -> bool:
        """Say whether there is a score of this step."""
        return any(score.step == step for score in self.scores)

    @property
    def has_waited_enough(self) -> bool:
        """Say whether so many evaluations brought no gain that it should end."""
        return bool(self._patience) and without_gain(self.scores) >= self._patience

    def early(self, step: int) -> str:
        """Return why the run ended early at a step; "" when it did not."""
        if step >= self._total_steps or not self.has_waited_enough:
            return ""
        return stopped_early(step, self._total_steps, self.scores)

    def publish(self, model: Any, last: int) -> Kept:
        """Put the adapter in its place: the best one's, or that of the last step."""
        kept = self._kept
        at = {score.step: score.nll for score in self.scores}
        if kept is not None and not (last in at and at[last] < kept[1]):
            step, nll = checkpoint.step_of(kept[0]), kept[1]
            folder = checkpoint.publish_kept(kept[0], self._run)
            # A step that an attempt reached which was then lost: measured all the same.
            scores = [*(score for score in self.scores if score.step != step), Score(nll, step)]
        else:
            step, scores = last, self.scores
            folder = checkpoint.publish_adapter(model, self._run)
        return Kept(folder, step, why_this_adapter(step, last, scores, wanted=self._wanted))

    def forget(self) -> None:
        """Remove the adapters that were kept on the way: the run has come to its end."""
        checkpoint.drop_best(self._run)
