"""Where the seconds of a training go, so that an idle card is seen and not guessed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Spent:
    """Adds up seconds of the host, part by part; what runs inside another part counts in both.

    >>> spent = Spent()
    >>> with spent.on("data"):
    ...     pass
    >>> list(spent.parts())
    ['data']
    """

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        """Count what happens inside as this part, also when it fails."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[part] += time.monotonic() - began

    def parts(self) -> dict[str, float]:
        """Return the seconds of each part, in the order in which they were first met."""
        return {part: round(seconds, 3) for part, seconds in self._seconds.items()}
