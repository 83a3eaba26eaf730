"""How well a tokenizer fits this code, and how long the files are beside a row of training."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

HEALTHY = (2.0, 3.5)  # characters per token that code gives in a tokenizer made for code
BORDERS = (0.25, 0.5, 1, 2, 4)  # of the histogram, in rows


def ratio_meaning(ratio: float) -> tuple[str, str]:
    """Return what a number of characters per token means, and "ok" or "odd".

    >>> ratio_meaning(3.1)
    ('2.0 to 3.5 is healthy for code', 'ok')
    """
    low, high = HEALTHY
    if ratio < low:
        return (
            "below 2.0: the tokenizer breaks this text into crumbs. Is it code, in a language "
            "the model knows?",
            "odd",
        )
    if ratio > high:
        return (
            "above 3.5: long words, or much repetition. Good if it is code; prose and generated "
            "files look like this too.",
            "odd",
        )
    return "2.0 to 3.5 is healthy for code", "ok"


def verdict(ratio: float | None) -> str:
    """Return one short sentence on the fit, "" before anything was counted.

    >>> verdict(2.91), verdict(1.2)
    ('2.9 characters per token: healthy', '1.2 characters per token: broken into crumbs')
    """
    if not ratio:
        return ""
    low, high = HEALTHY
    word = "healthy"
    if ratio < low:
        word = "broken into crumbs"
    elif ratio > high:
        word = "long words or much repetition"
    return f"{ratio:.1f} characters per token: {word}"


def length_histogram(tokens: Iterable[int], row: int) -> list[dict[str, Any]]:
    """Count files by their length in rows of `row` tokens; `up_to` is in tokens, None the rest.

    >>> [bar["files"] for bar in length_histogram([10, 25, 26, 900], 100)]
    [2, 1, 0, 0, 0, 1]
    """
    edges = [int(row * border) for border in BORDERS]
    files = [0] * (len(edges) + 1)
    for count in tokens:
        files[bisect_left(edges, count)] += 1
    return [
        {"rows": border, "up_to": edge, "files": number}
        for border, edge, number in zip((*BORDERS, None), (*edges, None), files, strict=True)
    ]
