"""Has the held-out curve turned? Code learned by heart gets likelier, other code less likely.

It has turned at its lowest point when all of this holds:

- there are five evaluations or more, and three or more came after the lowest;
- the last three are all higher than it, by a hundredth and by three times the curve's own noise;
- since it, the curve rises: of any two evaluations the later one is higher, three times in four;
- the training loss fell meanwhile: its mean since then is below that of as many steps before.

How often it errs was drawn, with curves of 6 to 40 evaluations (tests/core/test_overfit.py): pure
noise around a level, however much, is called a turn at the end of one run in a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

FEWEST = 5
AFTER = 3
LEAST_RISE = 0.01  # of the lowest value
NOISES = 3.0
RISING = 0.75  # of the pairs since the lowest
QUARTILE = 0.3186  # of the size of a normally drawn number, where a quarter of them is smaller

Curve = Sequence[tuple[int, float]]  # step, value


def turned(held_out: Curve, train: Curve) -> int | None:
    """Return the step from which held-out code got worse while the training loss fell, or None."""
    values = [value for _, value in held_out]
    if len(values) < FEWEST:
        return None
    place = min(range(len(values)), key=values.__getitem__)
    lowest, after = values[place], values[place + 1 :]
    if len(after) < AFTER or not _rises(after):
        return None
    if min(after[-AFTER:]) - lowest <= max(LEAST_RISE * abs(lowest), NOISES * noise(values)):
        return None
    step = held_out[place][0]
    return step if _falls(train, step, held_out[-1][0]) else None


def noise(values: Sequence[float]) -> float:
    """Return the deviation of a curve's points from its own course.

    Taken from how far points lie from the line between their neighbours, and of that the lower
    quartile: at a bend or a steep beginning points lie far from it without any noise.

    >>> noise([1.0, 0.9, 0.8, 0.7])
    0.0
    """
    bends = sorted(
        abs(before - 2 * value + after)
        for before, value, after in zip(values, values[1:], values[2:], strict=False)
    )
    if not bends:
        return 0.0
    at = (len(bends) - 1) / 4
    low, high = bends[math.floor(at)], bends[math.ceil(at)]
    quarter = low + (high - low) * (at % 1)
    return round(quarter / (QUARTILE * math.sqrt(6)), 9)  # 1 + 4 + 1 variances in a bend


def _rises(values: Sequence[float]) -> bool:
    pairs = list(combinations(values, 2))
    return sum(later > earlier for earlier, later in pairs) >= RISING * len(pairs)


def _falls(train: Curve, turn: int, last: int) -> bool:
    since = [value for step, value in train if turn < step <= last]
    before = [value for step, value in train if 2 * turn - last < step <= turn]
    return bool(since and before) and fmean(since) < fmean(before)
