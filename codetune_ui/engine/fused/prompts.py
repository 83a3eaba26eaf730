"""Prompts as one flat run of tokens: each behind what its row of the cache holds already."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

MOST_RECORDED = 2048  # tokens: a longer pass computes for longer than its launches take
STEPS = ((512, 64), (1024, 128), (MOST_RECORDED, 256))  # up to so many tokens, in such steps


@dataclass(frozen=True)
class Prompt:
    """What one row begins with, the adapter it is written with, and what is known to follow.

    reuse: what an earlier prompt began with in the same way is not read again.
    """

    row: int
    ids: Sequence[int]
    adapter: str | None
    known: Sequence[int] = ()
    reuse: bool = False

    @property
    def read(self) -> list[int]:
        """The ids that are read: nothing comes after the last known one."""
        return [*self.ids, *self.known[:-1]]

    @property
    def asked(self) -> int:
        """How many of the last tokens read are asked for what follows them."""
        return max(1, len(self.known))


@dataclass(frozen=True)
class Text:
    """Tokens that are read in one pass into a row of the cache.

    kept: so many tokens of the text lie in the row already; first: the place in the row where the
    text begins; asked: so many of its last tokens are asked for what follows.
    """

    row: int
    ids: Sequence[int]
    kept: int = 0
    first: int = 0
    asked: int = 1

    @classmethod
    def of(cls, prompt: Prompt, kept: int) -> Text:
        """Return what is still to be read of a prompt."""
        return cls(prompt.row, prompt.read[kept:], kept, asked=prompt.asked)

    @property
    def size(self) -> int:
        """Tokens of the text in all."""
        return self.kept + len(self.ids)

    @property
    def end(self) -> int:
        """The place in the row behind the text."""
        return self.first + self.size

    @property
    def places(self) -> range:
        """Where in the row the tokens go that are read."""
        return range(self.first + self.kept, self.end)


@dataclass(frozen=True)
class Counts:
    """How many numbers of each kind `lay` writes."""

    tokens: int
    texts: int
    asked: int

    @classmethod
    def of(cls, texts: Sequence[Text]) -> Counts:
        """Count some texts."""
        tokens, asked = sum(len(text.ids) for text in texts), sum(text.asked for text in texts)
        return cls(tokens, len(texts), asked)


@dataclass(frozen=True)
class Flat:
    """Texts of one pass, one after the other, on the device that reads them.

    ids, at, rows (tokens,) int64: each token, its place in its row, and the row; asked int64: which
    of them are asked; ends, begins (texts + 1,), sizes (texts,) int32: where texts end in the pass,
    begin in the flat cache, and how long they are with what is kept; most: tokens a text may have.
    """

    ids: Tensor
    at: Tensor
    rows: Tensor
    asked: Tensor
    ends: Tensor
    begins: Tensor
    sizes: Tensor
    most: int
    texts: tuple[Text, ...]

    @classmethod
    def of(cls, numbers: Tensor, texts: Sequence[Text], most: int | None = None) -> Flat:
        """Read what `lay` wrote of such texts."""
        counts = Counts.of(texts)
        tokens, borders = counts.tokens, counts.texts + 1
        ids, at, rows, asked, rest = torch.split(
            numbers, [tokens, tokens, tokens, counts.asked, 3 * borders]
        )
        ends, begins, sizes = rest.to(torch.int32).view(3, borders)
        most = most or max(len(text.ids) for text in texts)
        return cls(ids, at, rows, asked, ends, begins, sizes[:-1], most, tuple(texts))


def lay(texts: Sequence[Text], longest: int) -> Tensor:
    """Return all that a pass over some texts depends on as one int64 tensor on the CPU: one copy.

    longest: places of a row of the cache.
    """
    ends = list(itertools.accumulate((len(text.ids) for text in texts), initial=0))
    parts: list[ArrayLike] = [
        *(text.ids for text in texts),
        *(np.arange(text.places.start, text.end) for text in texts),
        *(np.full(len(text.ids), text.row) for text in texts),
        *(np.arange(end - text.asked, end) for text, end in zip(texts, ends[1:], strict=True)),
        ends,
        [*(text.row * longest + text.first for text in texts), 0],
        [*(text.size for text in texts), 0],
    ]
    return torch.from_numpy(np.concatenate([np.asarray(part, np.int64) for part in parts]))


def pad(texts: Sequence[Text], longest: int) -> list[Text] | None:
    """Fill a pass up to one of a few sizes; None where it is too long, or a row has no room.

    What fills it is a text of its own that nobody asks about, behind the shortest of the others,
    where its row holds nothing yet.

    >>> pad([Text(0, [7] * 60, kept=5)], 128)[1]
    Text(row=0, ids=[0, 0, 0, 0], kept=0, first=65, asked=0)
    """
    tokens = sum(len(text.ids) for text in texts)
    step = next((step for most, step in STEPS if tokens <= most), None)
    if step is None:
        return None
    shortest = min(texts, key=lambda text: text.end)
    filler = Text(shortest.row, [0] * (-tokens % step), first=shortest.end, asked=0)
    return [*texts, filler] if filler.end <= longest else None
