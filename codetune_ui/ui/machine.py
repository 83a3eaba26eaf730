"""What this machine has, as the page shows it: its cards, asked now and then, and its memory."""

from __future__ import annotations

import os
import threading
import time

import psutil

from codetune_ui.runs.cards import Card, ask_cards, tool, visible

FRESH_S = 4.0  # one question to the tool costs 30-100 ms, and it may hang for a while under load
CONTEXT_GIB = 0.6  # what CUDA itself takes beside the tensors


class CardWatch:
    """Remembers the last answer of `nvidia-smi`, and asks again in a thread when it is old."""

    def __init__(self, program: str | None = None) -> None:
        self._tool = program if program is not None else tool()
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._cards: tuple[Card, ...] = ()
        self._answered = False

    def look(self) -> Card | None:
        """Return the first card as it was a few seconds ago; None without one. Never waits."""
        return next(iter(self.cards() or self._cards), None)

    @property
    def answered(self) -> bool:
        """Whether it is known what is here: the tool has answered, or there is none."""
        return not self._tool or self._answered

    def cards(self) -> tuple[Card, ...]:
        """Return all that a training started from here may use, in the same way."""
        if self._tool and time.monotonic() - self._asked > FRESH_S and self._lock.acquire(False):
            self._asked = time.monotonic()
            threading.Thread(target=self._ask, daemon=True, name="card-watch").start()
        return visible(self._cards, os.environ)

    def _ask(self) -> None:
        try:
            self._cards = ask_cards(self._tool)
            self._answered = True
        finally:
            self._lock.release()


WATCH = CardWatch()  # one for all that ask: they would each start the tool


def memory_gib() -> float:
    """Return the machine's main memory."""
    return float(psutil.virtual_memory().total) / 2**30
