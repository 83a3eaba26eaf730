"""How good a benchmark's answers are: without running them, by pass@k, and with which interval.

pass@k is the unbiased estimator of Chen et al. (arXiv 2107.03374): of n samples c pass, then it is
1 - C(n-c, k) / C(n, k). Intervals are 95 % percentile bootstraps as in `core.verdict`, paired, but
whole problems are drawn: the holes of one problem share their code and are no independent draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from codetune_ui.core.benchmark_answers import same_call, still_parses
from codetune_ui.core.benchmark_sets import BenchmarkSet, Task
from codetune_ui.core.verdict import LEVEL, RESAMPLES, Interval

KS = (1, 10, 100)
BLOCK = 1_000_000  # draws that are made at once


@dataclass
class Sample:
    """One answer: as it counts, whether the model ended it, and what came of its tests.

    passed    None where nothing was run
    why       how its program ended, where it did not pass
    """

    text: str
    ended: bool
    tokens: int
    passed: bool | None = None
    why: str = ""


@dataclass
class Answered:
    """A task with the samples of each side; `adapter` is empty where there is none."""

    task: Task
    base: list[Sample] = field(default_factory=list)
    adapter: list[Sample] = field(default_factory=list)


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Return the chance that of k samples one passes, estimated from `samples` of them.

    >>> pass_at_k(4, 1, 2), pass_at_k(2, 1, 2), pass_at_k(5, 0, 5)
    (0.5, 1.0, 0.0)
    """
    if samples - passed < k:
        return 1.0
    return 1.0 - math.comb(samples - passed, k) / math.comb(samples, k)


def score(sample: Sample, task: Task, of: BenchmarkSet) -> dict[str, float | None]:
    """Return what is measured without running anything; only blank ends are left out of account."""
    text, truth = sample.text.rstrip(), task.truth.rstrip()
    parses = still_parses(sample.text, task)
    found: dict[str, float | None] = {
        "exact_match": float(text == truth),
        "edit_similarity": Levenshtein.normalized_similarity(text, truth),
        "parses": None if parses is None else float(parses),
        "ended": float(sample.ended),
    }
    if of.main == "call":
        found["same_call"] = float(same_call(text, truth, task.language))
    return found


def scores_of(samples: Sequence[Sample], task: Task, of: BenchmarkSet) -> dict[str, float | None]:
    """Return each score of a task: the mean of its samples, and pass@k where they were run."""
    each = [score(sample, task, of) for sample in samples]
    found: dict[str, float | None] = {}
    for name in each[0]:
        values = [value for one in each if (value := one[name]) is not None]
        found[name] = sum(values) / len(values) if values else None
    ran = [sample.passed for sample in samples if sample.passed is not None]
    for k in KS:
        if k <= len(samples) and of.main == "pass":
            whole = len(ran) == len(samples)
            found[f"pass@{k}"] = pass_at_k(len(ran), sum(ran), k) if whole else None
    return found


def clustered(values: NDArray[np.float64], problems: Sequence[str], seed: int) -> Interval | None:
    """Return the mean of values (N,) and its 95 % interval, whole problems drawn anew.

    With a problem for each value it is what `core.verdict.interval` returns.
    """
    if not len(values):
        return None
    sums, counts = per_problem(values, problems)
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    step = max(1, BLOCK // len(sums))
    for start in range(0, RESAMPLES, step):
        drawn = rng.integers(0, len(sums), (min(step, RESAMPLES - start), len(sums)))
        means[start : start + step] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(values.mean()), float(low), float(high)


def per_problem(
    values: NDArray[np.float64], problems: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sum and count (problems,) of the values of each problem."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(problems))}
    places = np.array([numbers[name] for name in problems])
    sums = np.bincount(places, weights=values, minlength=len(numbers)).astype(np.float64)
    return sums, np.bincount(places, minlength=len(numbers)).astype(np.float64)
