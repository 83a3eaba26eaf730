"""Which of several answers to one page is the newest: a slow older one must not overwrite it."""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST_PAGES = 1000  # that are remembered; an opened page is asked about at once or never


class Newest:
    """Numbers the questions of each page in the order in which they come.

    >>> newest = Newest()
    >>> slow, quick = newest.ask("page"), newest.ask("page")
    >>> newest.is_last("page", slow), newest.is_last("page", quick)
    (False, True)
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, page: str) -> int:
        """Return the number of a question that has just come."""
        with self._lock:
            number = self._last.pop(page, 0) + 1
            self._last[page] = number
            if len(self._last) > MOST_PAGES:
                self._last.popitem(last=False)
            return number

    def is_last(self, page: str, number: int) -> bool:
        """Say whether no other question of this page came after it."""
        with self._lock:
            return self._last.get(page, number) == number
