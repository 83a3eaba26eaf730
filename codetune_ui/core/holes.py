"""Holes to measure with: pieces cut out of held-out files, by kind, always the same for one seed.

inside   from a cursor in a line to a bracket, quote or comma that stands after it already
rest     from a cursor in a line to the line's end
line     a line's text; its indentation stays
block    a piece of the syntax over two lines or more, its indentation included
own      what a person kept as a test: never cut here, and only where it is asked for

Kinds and files take turns, so that neither long files nor one kind outweigh the others.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from codetune_ui.core.document import Document
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.seen import around
from codetune_ui.core.syntax import Place, grammar_of, has_grammar, syntax_span

HoleKind = Literal["inside", "rest", "line", "block", "own"]
HOLE_KINDS: tuple[HoleKind, ...] = ("inside", "rest", "line", "block")  # those that are cut
OWN: HoleKind = "own"
ANY_KIND = (*HOLE_KINDS, OWN)
ONE_LINE: frozenset[HoleKind] = frozenset({"inside", "rest", "line"})
"""Kinds for which an editor asks for one line; the others go on to the model's own end."""
ALL_KINDS = ",".join(HOLE_KINDS)

LEAST_LINE = 6  # characters that are not space: shorter lines are closing brackets and the like
LONGEST_LINE = 200  # characters; longer ones are data
LONGEST_BLOCK = 140  # characters; longer ones are hardly ever written to the letter
CLOSERS = ")]}>\"'`,;:"
NEXT_CLOSERS = 3
DRAWS = 48  # of blocks in one file

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hole:
    """A piece of a held-out file; prefix + middle + suffix is the whole file."""

    path: str
    language: str
    kind: HoleKind
    prefix: str
    middle: str
    suffix: str

    @property
    def line(self) -> int:
        """Number of the line it begins in, from 1."""
        return self.prefix.count("\n") + 1

    @property
    def text(self) -> str:
        """The whole file."""
        return self.prefix + self.middle + self.suffix


@dataclass(frozen=True, slots=True)
class Holes:
    """What was cut, and how many were left out because training code has them too."""

    found: tuple[Hole, ...]
    in_train: int = 0
    own_in_train: tuple[Hole, ...] = ()


def holes_id(holes: Iterable[Hole]) -> str:
    """Name a set of holes, whatever their order: the same name is the same holes in the same text.

    >>> hole = Hole("a.py", "Python", "line", "x = ", "1", "")
    >>> holes_id([hole])
    'a682d43a0bdb'
    """
    each = (
        repr((hole.path, hole.kind, hole.prefix, hole.middle, hole.suffix)).encode(
            "utf-8", "replace"
        )
        for hole in holes
    )
    digests = sorted(hashlib.sha256(text).hexdigest() for text in each)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:12]


def parse_kinds(text: str) -> tuple[HoleKind, ...]:
    """Read kinds as a person types them; `ConfigError` when one is unknown or none is there.

    >>> parse_kinds("block, line")
    ('line', 'block')
    """
    words = {word.strip() for word in text.split(",") if word.strip()}
    if unknown := sorted(words.difference(ANY_KIND)):
        raise ConfigError(f"There is no kind of hole '{unknown[0]}'.", _way(), field="kinds")
    if not words:
        raise ConfigError("No kind of hole is named.", _way(), field="kinds")
    return tuple(kind for kind in ANY_KIND if kind in words)


def _way() -> str:
    return f"Choose from {', '.join(ANY_KIND)}."


def cut_holes(
    documents: Sequence[Document],
    count: int,
    *,
    seed: int,
    kinds: Sequence[HoleKind] = HOLE_KINDS,
    in_train: Callable[[str, int, int], bool] | None = None,
) -> Holes:
    """Return `count` distinct holes, fewer where the code has no more; `in_train` leaves some out.

    A hole that is the same as another, middle and lines around it, is cut once.
    """
    streams = {kind: _in_turn(documents, kind, seed) for kind in kinds}
    found: list[Hole] = []
    known: set[tuple[str, ...]] = set()
    left_out = 0
    while streams and len(found) < count:
        for kind in list(streams):
            hole = None
            for document, start, end in streams[kind]:
                key = (document.text[start:end], *around(document.text, start, end))
                if key in known:
                    continue
                known.add(key)
                if in_train and in_train(document.text, start, end):
                    left_out += 1
                    continue
                hole = _hole(document, kind, start, end)
                break
            if hole is None:
                del streams[kind]
            elif len(found) < count:
                found.append(hole)
    return Holes(tuple(found), left_out)


def _hole(document: Document, kind: HoleKind, start: int, end: int) -> Hole:
    text = document.text
    return Hole(document.path, document.language, kind, text[:start], text[start:end], text[end:])


def _in_turn(
    documents: Sequence[Document], kind: HoleKind, seed: int
) -> Iterator[tuple[Document, int, int]]:
    """Yield the holes of one kind, one of each file before the second of any."""
    order = sorted(documents, key=lambda document: document.path)
    random.Random(f"{seed}:{kind}").shuffle(order)
    streams = [(document, _spans(document, kind, seed)) for document in order]
    while streams:
        left = []
        for document, spans in streams:
            if (span := next(spans, None)) is not None:
                left.append((document, spans))
                yield document, *span
        streams = left


def _spans(document: Document, kind: HoleKind, seed: int) -> Iterator[Span]:
    # By the file's own name: another file in the set leaves the holes of this one as they were.
    rng = random.Random(f"{seed}:{kind}:{document.path}")
    if kind == "block":
        return _blocks(document, rng)
    return _in_lines(document.text, kind, rng)


def _in_lines(text: str, kind: HoleKind, rng: random.Random) -> Iterator[Span]:
    """Yield one hole for each line that is worth it, the lines in random order."""
    bodies = list(_bodies(text))
    rng.shuffle(bodies)
    for start, end in bodies:
        span: Span | None = (start, end)
        if kind == "rest":
            span = rng.randrange(start + 1, end - 1), end
        elif kind == "inside":
            span = _inside(text, start, end, rng)
        if span is not None and any(char.isalnum() for char in text[slice(*span)]):
            yield span


def _bodies(text: str) -> Iterator[Span]:
    """Yield where the text of each line lies, without its blank ends."""
    start = 0
    for line in text.split("\n"):
        body = line.strip()
        if len("".join(body.split())) >= LEAST_LINE and len(body) <= LONGEST_LINE:
            first = start + line.index(body)
            yield first, first + len(body)
        start += len(line) + 1


def _inside(text: str, start: int, end: int, rng: random.Random) -> Span | None:
    """From any place in a line to one of the next closers, as an editor has put them there."""
    cursor = rng.randrange(start, end - 1)
    closers = [at for at in range(cursor + 2, end) if text[at] in CLOSERS]
    return (cursor, rng.choice(closers[:NEXT_CLOSERS])) if closers else None


def _blocks(document: Document, rng: random.Random) -> Iterator[Span]:
    """Yield pieces of the syntax over several lines, each once; none without a grammar."""
    grammar = grammar_of(document.language, document.path)
    if not document.text or not has_grammar(grammar):
        return
    place, known = Place(document.text, 0, grammar), set()
    for _ in range(DRAWS):
        span = syntax_span(place, len(document.text), rng)
        if span is None or span in known or not 0 < span[1] - span[0] <= LONGEST_BLOCK:
            continue
        known.add(span)
        if "\n" in document.text[slice(*span)].strip():
            yield span
