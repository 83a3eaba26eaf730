"""Documents to windows: pieces of text that fit a row once they have become examples."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.splice import Known, Piece, token_starts, utf8
from codetune_ui.core.token_cache import TokenCache
from codetune_ui.core.tokens import CodeTokenizer


def windows(text: str, budget: int, tokenizer: CodeTokenizer) -> list[str]:
    """Cut a document into windows of at most `budget` tokens, at line borders where possible.

    The windows, joined, are the document. Each is as long as fits: a document gives full windows
    and one rest, which is what packing likes best. A line longer than the budget is cut inside.
    """
    return [piece.text for piece in windows_of([text], budget, tokenizer)[0]]


def windows_of(
    texts: Sequence[str],
    budget: int,
    tokenizer: CodeTokenizer,
    cache: TokenCache | None = None,
) -> list[list[Piece]]:
    """Cut many documents; they are measured in one call of the tokenizer, over all cores.

    Each window brings the tokens of its document along, of which it is a piece. What is in the
    cache is not measured again.
    """
    if cache is not None:
        known_texts = zip(texts, cache.known(texts), strict=True)
        return [_cut(text, known, budget) for text, known in known_texts]
    found = [[Piece(text)] if text else [] for text in texts]
    # a token is at least a byte, so a shorter text needs no measuring
    long = [index for index, text in enumerate(texts) if len(utf8(text)) > budget]
    ids = tokenizer.encode_batch([texts[index] for index in long], continues=True)
    for index, measured in zip(long, ids, strict=True):
        starts = token_starts(texts[index], measured, tokenizer)
        known = Known(measured, starts, texts[index])
        found[index] = _cut(texts[index], known, budget)
    return found


def _cut(text: str, known: Known, budget: int) -> list[Piece]:
    borders = _line_borders(text)
    starts = known.starts
    cuts = [0]
    while len(starts) - _tokens_before(starts, cuts[-1]) > budget:
        cuts.append(_next_cut(starts, borders, cuts[-1], budget))
    places = itertools.pairwise([*cuts, len(text)])
    return [Piece(text[a:b], known, a) for a, b in places if b > a]


def _line_borders(text: str) -> NDArray[np.int64]:
    """Return the place after each line break."""
    raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.flatnonzero(raw == ord("\n")) + 1


def _tokens_before(starts: NDArray[np.int64], place: int) -> int:
    return int(np.searchsorted(starts, place, side="left"))


def _next_cut(
    starts: NDArray[np.int64], borders: NDArray[np.int64], begin: int, budget: int
) -> int:
    """Return the last line border within the budget, or a character inside an endless line."""
    first = _tokens_before(starts, begin)
    limit = int(starts[first + budget])
    place = int(np.searchsorted(borders, limit, side="right")) - 1
    if place >= 0 and borders[place] > begin:
        return int(borders[place])
    return max(limit, begin + 1)
