"""Encode pieces of a text whose tokens are known: only the ends of a piece are encoded anew.

text      def area(r): return 3.14 * r * r     its tokens are known
piece        f area(r): return 3.14 *           cut anywhere
anew         f area(r)      rn 3.14 *           both ends, a little longer than needed
spliced      f area(r): return 3.14 *           where both agree on three tokens with the text

A cut only changes tokens near it, so this gives what encoding the whole piece would give, at a
small part of the cost. Where the ends do not agree with the text, the piece is encoded whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.tokens import CodeTokenizer

END = 48  # characters of an end that is encoded anew: a dozen tokens
NEAR = 4 * END  # tokens of the whole that may begin within an end, each of a byte at least
AGREE = 3  # tokens in a row that must be the same on both sides of a splice


@dataclass(frozen=True, eq=False)
class Known:
    """The tokens of a whole text, the character at which each begins (ascending), the text."""

    ids: list[int]
    starts: NDArray[np.int64]
    text: str = ""


@dataclass(frozen=True, eq=False)
class Piece:
    """A text to encode; it may be a part of a known one, from character `start` on."""

    text: str
    known: Known | None = None
    start: int = 0


def encode_pieces(
    pieces: Sequence[Piece], tokenizer: CodeTokenizer, *, continues: bool = False
) -> list[list[int]]:
    """Return the ids of each piece, as `encode_batch` would."""
    spliced = [_can_splice(piece, tokenizer) for piece in pieces]
    texts: list[str] = []
    for piece, ends_only in zip(pieces, spliced, strict=True):
        texts += _cut_ends(piece) if ends_only else [piece.text]
    encoded = iter(tokenizer.encode_batch(texts, continues=continues))
    found: list[list[int]] = []
    for piece, ends_only in zip(pieces, spliced, strict=True):
        ids = _splice(piece, encoded, tokenizer) if ends_only else next(encoded)
        found.append(tokenizer.encode(piece.text, continues=continues) if ids is None else ids)
    return found


def token_starts(text: str, ids: Sequence[int], tokenizer: CodeTokenizer) -> NDArray[np.int64]:
    """Return the character at which each token of a text begins, ascending.

    Found from the byte lengths of the tokens, which is far quicker than the tokenizer's offsets.
    Where a tokenizer rewrites text (Unicode normal forms), the places are stretched to fit.
    """
    lengths = tokenizer.token_lengths[np.asarray(ids, dtype=np.int64)]
    ends = np.cumsum(lengths, dtype=np.int64)
    begins = ends - lengths
    raw = np.frombuffer(utf8(text), dtype=np.uint8)
    if len(ends) and ends[-1] != len(raw):
        begins = (begins * (len(raw) / max(int(ends[-1]), 1))).astype(np.int64)
    if len(raw) == len(text):
        return begins
    firsts = (raw & 0xC0) != 0x80
    characters = np.cumsum(firsts, dtype=np.int64) - 1  # byte -> index of its character
    places: NDArray[np.int64] = characters[np.minimum(begins, len(raw) - 1)]
    return places


def utf8(text: str) -> bytes:
    r"""Return the bytes a tokenizer sees: a lone surrogate reaches it as U+FFFD, of three bytes."""
    return text.encode("utf-8", "surrogatepass")


def _can_splice(piece: Piece, tokenizer: CodeTokenizer) -> bool:
    return piece.known is not None and len(piece.text) > 3 * END and not tokenizer.has_dummy_space


def _is_cut(piece: Piece) -> tuple[bool, bool]:
    """Say whether a piece begins and ends elsewhere than its text: only a cut changes tokens."""
    whole = piece.known.text if piece.known else ""
    return not whole or piece.start > 0, piece.start + len(piece.text) != len(whole)


def _cut_ends(piece: Piece) -> list[str]:
    ends = zip(_is_cut(piece), (piece.text[:END], piece.text[-END:]), strict=True)
    return [text for is_cut, text in ends if is_cut]


def _splice(
    piece: Piece, encoded: Iterator[list[int]], tokenizer: CodeTokenizer
) -> list[int] | None:
    """Join the tokens of the cut ends, which are the next ones, with the known ones between."""
    heads, tails = _is_cut(piece)
    head, tail = next(encoded) if heads else [], next(encoded) if tails else []
    known = piece.known
    if known is None:
        return None
    start, end = piece.start, piece.start + len(piece.text) - END
    first: tuple[int, int] | None = (0, 0)
    last: tuple[int, int] | None = (0, len(known.ids))
    if heads:
        first = _agree(known, head, _places(piece.text[:END], head, tokenizer, start))
    if tails:
        last = _agree(known, tail, _places(piece.text[-END:], tail, tokenizer, end))
    if first is None or last is None or first[1] > last[1]:
        return None
    return head[: first[0]] + known.ids[first[1] : last[1]] + tail[last[0] :]


def _places(text: str, ids: list[int], tokenizer: CodeTokenizer, begin: int) -> list[int]:
    """Return where in the whole each token of an end begins; a dozen are quicker without numpy."""
    lengths: list[int] = tokenizer.token_lengths[ids].tolist() if ids else []
    if text.isascii() and sum(lengths) == len(text):
        return list(accumulate(lengths, initial=begin))[:-1]
    found: list[int] = (begin + token_starts(text, ids, tokenizer)).tolist()
    return found


def _agree(known: Known, ids: list[int], places: list[int]) -> tuple[int, int] | None:
    """Find the first token of an end, and its number in the whole, from which on both agree."""
    if not places:
        return None
    first = int(known.starts.searchsorted(places[0]))
    near: list[int] = known.starts[first : first + NEAR].tolist()
    step = 0
    for index, place in enumerate(places[: len(ids) - AGREE]):
        while step < len(near) and near[step] < place:
            step += 1
        if step == len(near):
            return None
        number = first + step
        same = ids[index : index + AGREE] == known.ids[number : number + AGREE]
        if same and near[step] == place:
            return index, number
    return None
