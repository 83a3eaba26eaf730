"""The quick look at held-out holes during a training: what it may cost, and which step is best.

A scorecard is the mean negative log-likelihood of the missing code, in nats per character, over a
few holes that are the same all through a run. Lower is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codetune_ui.core.config import Config

# Of the tokens trained between two evaluations. They are only read, which takes about half the
# time of training on them: a twentieth of the run.
SHARE = 0.1
LEAST_TOKENS = 128  # of a prompt and its middle; with less around it a hole says little
LEAST_HOLES = 8


@dataclass(frozen=True)
class Budget:
    """How many holes are measured, and how many tokens each may have, its middle included."""

    holes: int
    tokens: int


def budget(config: Config) -> Budget:
    """Return what a look may cost: `scorecard_holes`, or fewer and shorter in a small run.

    >>> from codetune_ui.core.presets import preset
    >>> budget(preset("guide")), budget(preset("demo"))
    (Budget(holes=48, tokens=2048), Budget(holes=16, tokens=128))
    """
    wanted = config.scorecard_holes
    if not wanted:
        return Budget(0, 0)
    affordable = int(SHARE * config.eval_every * config.tokens_per_step)
    each = min(config.max_seq_len, max(LEAST_TOKENS, affordable // wanted))
    return Budget(min(wanted, max(LEAST_HOLES, affordable // each)), each)


@dataclass(frozen=True, order=True)
class Score:
    """Nats per character at a step; step 0 is the base. Ordered: the best comes first."""

    nll: float
    step: int


def scores_of(events: Iterable[Mapping[str, Any]]) -> list[Score]:
    """Return a run's scores by step, without what an attempt wrote after the step resumed from."""
    found: list[Score] = []
    for event in events:
        if event["kind"] == "resume":
            found = [score for score in found if score.step <= event["step"]]
        elif event["kind"] == "scorecard":
            found = [score for score in found if score.step < event["step"]]
            if event["middle_nll_per_char"] is not None:
                found.append(Score(event["middle_nll_per_char"], event["step"]))
    return found


def best_of(scores: Iterable[Score]) -> Score | None:
    """Return the best score of an adapter, the earliest of equals; the base is not one."""
    return min((score for score in scores if score.step), default=None)


def without_gain(scores: Sequence[Score]) -> int:
    """Return how many evaluations there were since the best one.

    >>> without_gain([Score(0.9, 0), Score(0.5, 40), Score(0.6, 80), Score(0.5, 120)])
    2
    """
    best = best_of(scores)
    return sum(score.step > best.step for score in scores) if best else 0


def stopped_early(step: int, total: int, scores: Sequence[Score]) -> str:
    """Return why a run ended before its last step."""
    best = best_of(scores)
    assert best is not None
    count = without_gain(scores)
    return (
        f"Stopped early at step {step:,} of {total:,}: the {count} evaluation"
        f"{'' if count == 1 else 's'} since step {best.step:,} found held-out code no likelier."
    )


def why_this_adapter(kept: int, last: int, scores: Sequence[Score], *, wanted: str) -> str:
    """Return in words which step the adapter is from; wanted: the setting `keep_best`."""
    best, at = best_of(scores), {score.step: score.nll for score in scores}
    if best is None or kept not in at:
        return f"The adapter is that of the last step, {last:,}: no other was measured."
    figures = [f"{at[kept]:.3f} nats per character of held-out code"]
    if kept != last and last in at:
        figures.append(f"{at[last]:.3f} at the last step, {last:,}")
    if kept != best.step:
        figures.append(f"{best.nll:.3f} at step {best.step:,}")
    if 0 in at:
        figures.append(f"{at[0]:.3f} without an adapter")
    if kept == best.step:
        which = f"The adapter is that of step {kept:,}, the best measured"
    else:
        chosen = ", as set" if wanted == "last" else ""
        which = f"The adapter is that of the last step, {kept:,}{chosen}"
    warning = " It does not help: the base alone does better." if at.get(0, 1e9) < at[kept] else ""
    return f"{which} ({'; '.join(figures)}).{warning}"
