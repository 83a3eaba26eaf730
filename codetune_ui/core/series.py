"""Numbers for curves: smoothing, thinning that keeps spikes, and time left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

RECENT = 40  # points that the pace is taken from


def smooth(values: Sequence[float | None], weight: float) -> list[float | None]:
    """Return the exponential mean, corrected so that the first points are not pulled to zero.

    What is missing or no number stays a gap, and leaves the mean as it was.

    >>> smooth([4.0, None, 2.0], 0.5)
    [4.0, None, 2.6666666666666665]
    """
    out: list[float | None] = []
    mean, share = 0.0, 0.0
    for value in values:
        if value is None or not math.isfinite(value):
            out.append(None)
            continue
        mean = weight * mean + (1 - weight) * value
        share = weight * share + (1 - weight)
        out.append(mean / share if share else value)
    return out


def thin(
    xs: Sequence[float], ys: Sequence[float], most: int = 600
) -> tuple[list[float], list[float]]:
    """Return at most `most` points: first, last, and each bucket's smallest and largest y.

    Plain striding hides a one-step spike, which is the thing one looks for.

    >>> thin([0, 1, 2, 3, 4, 5, 6, 7], [1, 1, 9, 1, 1, 1, 1, 0], 4)
    ([0, 2, 7], [1, 9, 0])
    """
    count = len(xs)
    if count <= most:
        return list(xs), list(ys)
    kept = {0, count - 1}
    buckets = max(1, (most - 2) // 2)
    for bucket in range(buckets):
        places = range(bucket * count // buckets, (bucket + 1) * count // buckets)
        kept.add(min(places, key=ys.__getitem__))
        kept.add(max(places, key=ys.__getitem__))
    order = sorted(kept)
    return [xs[place] for place in order], [ys[place] for place in order]


def eta_seconds(steps: Sequence[float], times: Sequence[float], total_steps: float) -> float | None:
    """Return the seconds left at the recent pace; None before two points, never negative.

    times: seconds of any clock that goes forward, one for each step. The pace is the median of the
    last points', so that one evaluation or checkpoint among them does not make the figure jump.

    >>> eta_seconds([1, 2, 3], [10.0, 12.0, 14.0], 10)
    14.0
    """
    if steps and steps[-1] >= total_steps:
        return 0.0
    points = list(zip(steps, times, strict=True))[-RECENT:]
    paces = [
        (later - earlier) / (step - before)
        for (before, earlier), (step, later) in pairwise(points)
        if step > before and later > earlier
    ]
    return (total_steps - steps[-1]) * median(paces) if paces else None
