"""One answer as it grows: tokens in, text out, and the rules by which it ends."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import torch

from codetune_ui.core.completion import Ask, Chunk, Finish, Timings
from codetune_ui.core.families import FimFormat
from codetune_ui.core.fim import Mode
from codetune_ui.core.repeat import repeated_lines
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
    typed: an editor asks, and will ask again for nearly the same text: what is read is kept for
        then, and read piece by piece, so that one who leaves is heard.
    """

    ask: Ask
    adapter: str | None
    cancel: threading.Event
    format: FimFormat | None = None
    known: tuple[int, ...] = ()
    only_read: bool = False
    time_limit_s: float = TIME_LIMIT_S
    typed: bool = False
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
        self.kept: int | None = None
        """Tokens of the prompt that were known already; None before it is read."""
        self._mode = mode
        self._stops = stops
        ask = job.ask
        lines = repeated_lines(ask.suffix) if ask.no_repeat else ()
        self._writer = Writer(tokenizer, ask.stop, lines, ask.indent)
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
        elif self.left <= 0 or self._took_long():
            self._finish = "length"
        return text

    def _took_long(self) -> bool:
        now = time.perf_counter()
        most = self.job.ask.line_ms
        if most is not None and self._writer.has_line and (now - self._first) * 1000 > most:
            return True
        return now - self._began > self.job.time_limit_s

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
            kept_tokens=self.kept or 0,
        )
        rest = self._writer.rest()
        finish: Finish = "stop" if self._writer.stopped else self._finish or "length"
        if self.job.cancel.is_set():
            finish = "cancelled"
        return Chunk(rest, self._count, finish, timings, self._mode, self._writer.stop_word)


class Writer:
    """Turns ids into text as they come: whole characters only, and nothing past an end.

    stop: an answer ends before any of these. lines: it ends before one of these too, where a line
    break or the answer's end follows. indent: it ends before a line that is indented less.
    """

    def __init__(
        self,
        tokenizer: CodeTokenizer,
        stop: tuple[str, ...],
        lines: tuple[str, ...] = (),
        indent: int = 0,
    ) -> None:
        self._tokenizer = tokenizer
        self._words = tuple(text for text in stop if text)
        self._lines = lines
        self._stops = (*self._words, *(line + "\n" for line in lines))
        self._indent = indent
        self._ids: list[int] = []  # not yet text: they may be half a character
        self._held = ""  # text that may be the beginning of an end
        self.has_line = False
        """Has a line break been written?"""
        self.stopped = False
        self.stop_word = ""
        """The stop string at which it ended."""

    def add(self, token: int) -> str:
        """Return the text that is now certain."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids, skip_control=True, continues=True)
        if text.endswith("\ufffd") and len(self._ids) < WHOLE_CHARACTER:
            return ""
        self._ids.clear()
        self.has_line = self.has_line or "\n" in text
        return self._release(self._held + text)

    def rest(self) -> str:
        """Return what was held back, at the end of the answer."""
        if self.stopped:
            return ""
        tail = self._tokenizer.decode(self._ids, skip_control=True, continues=True)
        text = self._release(self._held + tail.rstrip("\ufffd"))
        if self.stopped:
            return text
        text, self._held = text + self._held, ""
        for line in self._lines:
            if text.endswith(line):
                self.stopped = True
                return text[: -len(line)]
        return text

    def _release(self, text: str) -> str:
        found = [(place, stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        if (line := self._outdented(text)) is not None:
            found.append((line, ""))
        if found:
            place, stop = min(found, key=lambda one: one[0])
            self.stopped = True
            self.stop_word = stop if stop in self._words else ""
            self._held = ""
            return text[:place]
        hold = max((_overlap(text, stop) for stop in self._stops), default=0)
        if self._indent:  # a line is certain once its first character is
            hold = max(hold, len(text) - len(_without_open_line(text)))
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def _outdented(self, text: str) -> int | None:
        """Return where a line begins that is indented too little; blank lines do not count."""
        place = text.find("\n") if self._indent else -1
        while place >= 0:
            line = text[place + 1 :].split("\n", 1)[0]
            inner = line.lstrip(" \t")
            if inner and len(line) - len(inner) < self._indent:
                return place
            place = text.find("\n", place + 1)
        return None


def _without_open_line(text: str) -> str:
    """Return a text without the line breaks and blanks at its end, if there is a line break."""
    bare = text.rstrip(" \t\n")
    return bare if "\n" in text[len(bare) :] else text


def _overlap(text: str, stop: str) -> int:
    """Return how many last characters of the text could begin the stop string."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
