"""How good a benchmark's answers are: without running them, by pass@k, and with which interval.

pass@k is the unbiased estimator of Chen et al. (arXiv 2107.03374): of n samples c pass, then it is
1 - C(n-c, k) / C(n, k). Intervals are those of `core.verdict`, with problems in the place of files:
the holes of one problem share their code and are no independent draws.
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

KS = (1, 10, 100)


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


def sum_by_problem(values: NDArray[np.float64], problems: Sequence[str]) -> NDArray[np.float64]:
    """Return the sum of the values (N,) of each problem."""
    numbers = np.unique(problems, return_inverse=True)[1]
    return np.bincount(numbers, values).astype(np.float64)
