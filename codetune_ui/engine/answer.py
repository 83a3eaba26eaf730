"""One answer as it grows: tokens in, text out, and the rules by which it ends."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import torch

from codetune_ui.core.completion import Ask, Chunk, Finish, Timings
from codetune_ui.core.families import FimFormat
from codetune_ui.core.fim import Mode
from codetune_ui.core.tokens import CodeTokenizer

TIME_LIMIT_S = 120.0
WHOLE_CHARACTER = 4  # bytes of the longest character: no more tokens than this are held back


@dataclass(frozen=True, eq=False)
class Job:
    """One hole to fill: with which adapter (None is the base), and who may end it early.

    format: the adapter's own, if it has another than the base.
    known: what truly stands in the hole, as tokens; where answers are written side by side, its
        `losses` (nats, one a token) are there as soon as the prompt is read.
    only_read: nothing is written, and the prompt leaves room for all that is known.
    time_limit_s: after which an answer ends as it is.
    """

    ask: Ask
    adapter: str | None
    cancel: threading.Event
    format: FimFormat | None = None
    known: tuple[int, ...] = ()
    only_read: bool = False
    time_limit_s: float = TIME_LIMIT_S
    losses: list[float] = field(default_factory=list)


class Answer:
    """What is written for one job; it counts, decodes, and knows when it has ended."""

    def __init__(
        self,
        job: Job,
        prompt: list[int],
        mode: Mode,
        limit: int,
        tokenizer: CodeTokenizer,
        stops: frozenset[int],
        began: float,
    ) -> None:
        """Write at most `limit` tokens, none after one of `stops`; `began` by `perf_counter`."""
        self._began = began
        self.job = job
        self.prompt = prompt
        self.rng = None if job.ask.seed is None else torch.Generator().manual_seed(job.ask.seed)
        self.left = limit
        """Tokens that may still be written."""
        self._mode = mode
        self._stops = stops
        self._writer = Writer(tokenizer, job.ask.stop)
        self._count = 0
        self._first = 0.0
        self._finish: Finish = "length" if job.only_read else ""

    @property
    def ended(self) -> bool:
        """Is nothing more wanted?"""
        return bool(self._finish) or self.job.cancel.is_set()

    def add(self, token: int) -> str:
        """Take a token; return the text that is now certain."""
        self._first = self._first or time.perf_counter()
        self._count += 1
        self.left -= 1
        text = "" if token in self._stops else self._writer.add(token)
        if token in self._stops or self._writer.stopped:
            self._finish = "stop"
        elif self.left <= 0 or time.perf_counter() - self._began > self.job.time_limit_s:
            self._finish = "length"
        return text

    def chunk(self, text: str) -> Chunk:
        """Return a piece of text as it is sent."""
        return Chunk(text, self._count)

    def last(self) -> Chunk:
        """Return the rest of the text, why it ended and what it took."""
        ended = time.perf_counter()
        timings = Timings(
            prompt_tokens=len(self.prompt),
            tokens=self._count,
            ms_first_token=round(((self._first or ended) - self._began) * 1000, 1),
            ms_total=round((ended - self._began) * 1000, 1),
        )
        finish = "cancelled" if self.job.cancel.is_set() else self._finish or "length"
        return Chunk(self._writer.rest(), self._count, finish, timings, self._mode)


class Writer:
    """Turns ids into text as they come: whole characters only, and nothing past a stop string."""

    def __init__(self, tokenizer: CodeTokenizer, stop: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(text for text in stop if text)
        self._ids: list[int] = []  # not yet text: they may be half a character
        self._held = ""  # text that may be the beginning of a stop string
        self.stopped = False

    def add(self, token: int) -> str:
        """Return the text that is now certain."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids, skip_control=True, continues=True)
        if text.endswith("\ufffd") and len(self._ids) < WHOLE_CHARACTER:
            return ""
        self._ids.clear()
        return self._release(self._held + text)

    def rest(self) -> str:
        """Return what was held back, at the end of the answer."""
        if self.stopped:
            return ""
        tail = self._tokenizer.decode(self._ids, skip_control=True, continues=True)
        text = self._release(self._held + tail.rstrip("\ufffd"))
        return text if self.stopped else text + self._held

    def _release(self, text: str) -> str:
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        hold = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]


def _overlap(text: str, stop: str) -> int:
    """Return how many last characters of the text could begin the stop string."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
