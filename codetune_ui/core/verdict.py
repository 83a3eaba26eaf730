"""Is the adapter better than the base? Both sides on the same holes, with intervals, in a sentence.

The difference of each score (adapter minus base) has a 95 % interval: holes are drawn anew, with
replacement, 10,000 times, each with both its answers (paired percentile bootstrap). "better" and
"worse" are said of exact match alone, and only where its interval excludes 0 and wins and losses
are too uneven for a fair coin (sign test at 5 %): a bootstrap of three holes knows no doubt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.scores import LOWER_IS_BETTER, MAIN, METRICS, Scores

RESAMPLES = 10_000
LEVEL = 0.95
BLOCK = 1_000_000  # draws that are made at once

Word = Literal["better", "worse", "no difference"]
Interval = tuple[float, float, float]  # mean, low, high

PHRASES: dict[Word, str] = {
    "better": "is better than",
    "worse": "is worse than",
    "no difference": "shows no difference from",
}
AGREEING = (("more", "better"), ("less", "worse"))


@dataclass(frozen=True)
class Comparison:
    """Two sides on the same holes.

    base, adapter          mean of each score, None where no hole has it
    difference             mean, low and high of adapter minus base
    wins, ties, losses     holes that only the adapter, both or none, only the base has exactly
    """

    holes: int
    base: dict[str, float | None]
    adapter: dict[str, float | None]
    difference: dict[str, Interval | None]
    wins: int
    ties: int
    losses: int
    verdict: Word

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values, rounded as far as they mean something."""
        return {
            "holes": self.holes,
            "base": _rounded(self.base),
            "adapter": _rounded(self.adapter),
            "difference": {
                name: None if found is None else [round(value, 4) for value in found]
                for name, found in self.difference.items()
            },
            "wins": self.wins,
            "ties": self.ties,
            "losses": self.losses,
            "verdict": self.verdict,
        }


def _rounded(means: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 4) for name, value in means.items()}


def compare(base: Sequence[Scores], adapter: Sequence[Scores], *, seed: int = 0) -> Comparison:
    """Compare the scores of two sides, hole by hole in one order."""
    columns = {name: _pairs(base, adapter, name) for name in METRICS}
    difference = {name: interval(pairs[1] - pairs[0], seed=seed) for name, pairs in columns.items()}
    ours = columns[MAIN][1] - columns[MAIN][0]
    wins, losses = int((ours > 0).sum()), int((ours < 0).sum())
    return Comparison(
        holes=len(base),
        base={name: _mean(pairs[0]) for name, pairs in columns.items()},
        adapter={name: _mean(pairs[1]) for name, pairs in columns.items()},
        difference=difference,
        wins=wins,
        ties=len(ours) - wins - losses,
        losses=losses,
        verdict=_word(difference[MAIN], wins, losses),
    )


def _pairs(base: Sequence[Scores], adapter: Sequence[Scores], name: str) -> NDArray[np.float64]:
    """Return (2, holes): one score of both sides, where both have it."""
    both = [(b[name], a[name]) for b, a in zip(base, adapter, strict=True)]
    whole = [pair for pair in both if None not in pair]
    return np.array(whole, dtype=np.float64).reshape(-1, 2).T


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None


def interval(
    values: NDArray[np.float64], *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval | None:
    """Return the mean of values (N,) and its 95 % bootstrap interval; None for no values."""
    count = len(values)
    if not count:
        return None
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, BLOCK // count)
    for start in range(0, resamples, step):
        some = min(step, resamples - start)
        drawn = rng.integers(0, count, (some, count))
        means[start : start + some] = values[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(values.mean()), float(low), float(high)


def sign_test(wins: int, losses: int) -> float:
    """Return how often a fair coin is as uneven as this or more: two-sided, exact.

    >>> sign_test(5, 0), sign_test(6, 0), sign_test(3, 3)
    (0.0625, 0.03125, 1.0)
    """
    tosses, few = wins + losses, min(wins, losses)
    tail = sum(math.comb(tosses, heads) for heads in range(few + 1))
    return min(1.0, float(2 * tail / 2**tosses))


def _word(main: Interval | None, wins: int, losses: int) -> Word:
    if main is None or sign_test(wins, losses) >= 1 - LEVEL:
        return "no difference"
    _, low, high = main
    return "better" if low > 0 else "worse" if high < 0 else "no difference"


def sentence(found: Comparison) -> str:
    """Say it in one sentence: the word, the exact matches, and the likelihood beside them."""
    if not found.holes:
        return "There was nothing to compare."
    holes = f"{found.holes} hole{'s' if found.holes != 1 else ''}"
    text = f"The adapter {PHRASES[found.verdict]} the base on {holes} of held-out code"
    base, adapter, main = found.base[MAIN], found.adapter[MAIN], found.difference[MAIN]
    if base is not None and adapter is not None and main is not None:
        text += (
            f": {_percent(adapter)} exact against {_percent(base)} "
            f"(95 % interval of the difference {_points(main[1])} to {_points(main[2])} points)"
        )
    return f"{text}{_likelihood(found)}."


def _likelihood(found: Comparison) -> str:
    (name,) = LOWER_IS_BETTER
    change = found.difference[name]
    if change is None:
        return ""
    if change[1] <= 0 <= change[2]:
        return ", and the true code is as likely as before"
    word = "more" if change[0] < 0 else "less"
    joint = "and" if (word, found.verdict) in AGREEING else "while"
    return f", {joint} the true code is {word} likely"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
