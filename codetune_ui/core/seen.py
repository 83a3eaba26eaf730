"""Which lines of held-out code the training code has too, together with the lines around them.

Three lines in a row are the measure, blanks around a line and blank lines left out: a hole whose
line stands in the training code between the same two neighbours is no test of anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

RUN = 3


class Seen:
    """Runs of three lines of held-out texts, and which of them were met in the training code.

    Memory grows with the held-out code only; the training code goes by once, text by text.
    """

    def __init__(self, held_out: Iterable[str]) -> None:
        self._wanted = {run for text in held_out for run in _runs(_lines(text))}
        self._found: set[int] = set()

    def note(self, text: str) -> None:
        """Take in a piece of training code."""
        self._found.update(self._wanted.intersection(_runs(_lines(text))))

    def has(self, text: str, start: int, end: int) -> bool:
        """Say whether the lines of `text[start:end]` and the two around them were met in a row."""
        return all(run in self._found for run in _runs(around(text, start, end), ends=False))


def around(text: str, start: int, end: int) -> list[str]:
    r"""Return the lines of a range of characters with one before and one after it, stripped.

    Past an end of the text stands an empty line.

    >>> around("a = 1\n\nb = 2\nc = 3\n", 7, 8)
    ['a = 1', 'b = 2', 'c = 3']
    """
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    last = len(text) if last < 0 else last
    before = text[:first].rstrip().rpartition("\n")[2].strip()
    after = text[last:].lstrip().partition("\n")[0].strip()
    return [before, *_lines(text[first:last]), after]


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.split("\n")) if line]


def _runs(lines: Sequence[str], *, ends: bool = True) -> Iterator[int]:
    """Yield a number for each run of three lines; with `ends`, also for those past the ends."""
    padded = ["", *lines, ""] if ends else lines
    return (hash(tuple(padded[at : at + RUN])) for at in range(len(padded) - RUN + 1))
