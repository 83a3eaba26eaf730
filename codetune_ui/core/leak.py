"""Does held-out code also stand in the training code? Six lines in a row that both have.

Blanks around a line, blank lines, comments and lines without a word (a lone bracket) do not count,
so that neither a licence header nor another indentation hides or feigns a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from codetune_ui.core.document import Document
from codetune_ui.core.shape import COMMENT

RUN = 6
FEWEST_CHARACTERS = 4  # of a line: shorter ones say nothing ("}", "end", "try")
MOST_PAIRS = 20
MOST_CHARACTERS = 5_000_000  # of held-out code that is looked at: more tells no more


class Sized(Protocol):
    """A document, or what stands for one that lies on disk."""

    @property
    def size(self) -> int:
        """Length in characters."""


T = TypeVar("T", bound=Sized)


@dataclass(frozen=True, slots=True)
class Pair:
    """A held-out file and a training file that share code."""

    held_out: str
    train: str
    lines: int


@dataclass(frozen=True, slots=True)
class Leak:
    """How much of the held-out code (0 to 1, by characters) the training code also has, and where.

    In words: "0.4 % of the held-out code also stands in the training code, in runs of six lines
    or more." `looked_at` is how much of the held-out code this was told from.
    """

    share: float
    pairs: tuple[Pair, ...] = ()
    looked_at: float = 1.0


def sample(held_out: Sequence[T], most: int = MOST_CHARACTERS) -> tuple[list[T], float]:
    """Return about `most` characters of the held-out code, evenly taken, and their share of it.

    What a split by hash holds out is mostly less; by time, or by a share of one's own, it may be
    most of the code, and a leak check of all that would need seven times its size in memory.
    """
    whole = sum(document.size for document in held_out)
    chosen = list(held_out[:: max(1, -(-whole // most))])
    return chosen, sum(document.size for document in chosen) / whole if whole else 1.0


def leak(train: Iterable[Document], held_out: Iterable[Document], run: int = RUN) -> Leak:
    """Measure the leak; each side is read once, and of the held-out one the lines are kept.

    Time grows with all code, memory with the held-out code only (about seven bytes a character).

    >>> code = "\\n".join(f"value_{n} = compute({n})" for n in range(10))
    >>> train, val = Document(code, "a.py", "Python", "a"), Document(code, "b.py", "Python", "b")
    >>> leak([train], [val])
    Leak(share=1.0, pairs=(Pair(held_out='b.py', train='a.py', lines=10),), looked_at=1.0)
    """
    kept = [(document.path, _lines(document.text)) for document in held_out]
    wanted = {hash(window) for _, lines in kept for window in _windows(lines, run)}
    words = {line for _, lines in kept for line in lines}
    found: dict[int, str] = {}
    for document in train:
        _note_shared(document, words, wanted, found, run)
    pairs: Counter[tuple[str, str]] = Counter()
    leaked = 0
    for name, lines in kept:
        owner = _owners(lines, found, run)
        leaked += sum(len(lines[place]) for place in owner)
        pairs.update((name, path) for path in owner.values())
    whole = sum(len(line) for _, lines in kept for line in lines)
    top = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_PAIRS]
    return Leak(leaked / max(1, whole), tuple(Pair(*names, count) for names, count in top))


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.split("\n"))
    return [line for line in lines if len(line) >= FEWEST_CHARACTERS and not COMMENT.match(line)]


def _windows(lines: Sequence[str], run: int) -> list[tuple[str, ...]]:
    return [tuple(lines[at : at + run]) for at in range(len(lines) - run + 1)]


def _note_shared(
    document: Document, words: set[str], wanted: set[int], found: dict[int, str], run: int
) -> None:
    """Note which wanted windows a training file has; most of its lines are not worth a window."""
    lines = _lines(document.text)
    known = 0
    for at, line in enumerate(lines):
        known = known + 1 if line in words else 0
        if known >= run:
            window = hash(tuple(lines[at - run + 1 : at + 1]))
            if window in wanted:
                found.setdefault(window, document.path)


def _owners(lines: Sequence[str], found: dict[int, str], run: int) -> dict[int, str]:
    """Return the leaked lines of a held-out file, each with the training file that has it."""
    owner: dict[int, str] = {}
    for at, window in enumerate(_windows(lines, run)):
        if path := found.get(hash(window)):
            for place in range(at, at + run):
                owner.setdefault(place, path)
    return owner
