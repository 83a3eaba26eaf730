"""The prompt around a hole: the order of its parts, and which ends go when it is too long.

psm      PRE prefix SUF suffix MID
spm_v1   SUF suffix PRE prefix MID
spm_v2   PRE SUF suffix MID prefix

BOS stands before it; a family taught in chat turns has a head before and a tail after it. A context
(see `core.context`) stands after that head, or right before the prefix.
"""

from __future__ import annotations

from codetune_ui.core.context import NO_CONTEXT, Context
from codetune_ui.core.families import FimFormat, Order
from codetune_ui.core.tokens import CodeTokenizer

PREFIX_SHARE = 0.75  # of the room for a prompt's text, as llama.cpp's /infill divides it


def prompt_parts(
    order: Order,
    prefix: list[int],
    suffix: list[int],
    format: FimFormat,
    context: Context = NO_CONTEXT,
) -> list[tuple[list[int], bool]]:
    """Return what stands before the middle, piece by piece; True marks the file's own text."""
    pre, suf = ([format.prefix_id], False), ([format.suffix_id], False)
    mid = ([] if format.middle_id is None else [format.middle_id], False)
    head, tail = ([*format.head_ids, *context.before], False), (list(format.closing_ids), False)
    inside = (list(context.inside), False)
    before, after = (prefix, True), (suffix, True)
    if order == "psm":
        return [head, pre, inside, before, suf, after, mid, tail]
    if order == "spm_v1":
        return [head, suf, after, pre, inside, before, mid, tail]
    return [head, pre, suf, after, mid, tail, inside, before]


def keep_near_ends(
    prefix: list[int],
    suffix: list[int],
    room: int,
    tokenizer: CodeTokenizer,
    steady: int = 1,
) -> tuple[list[int], list[int]]:
    """Keep the ends next to the hole: 3 parts prefix to 1 part suffix, unused room to the other.

    A cut falls between characters, and at a multiple of `steady` tokens of prefix and suffix; a
    list that fits is returned as it is.
    """
    room = max(room, 0)
    if len(prefix) + len(suffix) <= room:
        return prefix, suffix
    after = min(len(suffix), max(room - int(room * PREFIX_SHARE), room - len(prefix)))
    after = after // steady * steady if after < len(suffix) else after
    first = cut_before(len(prefix), room - after, steady)
    while first < len(prefix) and not tokenizer.begins_character(prefix[first]):
        first += 1
    before = prefix[first:] if first else prefix
    return before, shorten(suffix, after, tokenizer)


def cut_before(length: int, most: int, steady: int) -> int:
    """Return how many first tokens go, in multiples of `steady`, so that at most `most` stay.

    >>> cut_before(100, 100, 32), cut_before(101, 100, 32), cut_before(101, 100, 1)
    (0, 32, 1)
    """
    surplus = max(0, length - most)
    return min(length, -(-surplus // steady) * steady)


def shorten(suffix: list[int], most: int, tokenizer: CodeTokenizer) -> list[int]:
    """Return at most so many tokens from the start of a suffix, cut between characters."""
    while 0 < most < len(suffix) and not tokenizer.begins_character(suffix[most]):
        most -= 1
    return suffix[:most] if most < len(suffix) else suffix


def to_length(
    suffix: list[int], surplus: int, pad_id: int | None, tokenizer: CodeTokenizer
) -> tuple[list[int], int] | None:
    """Take `surplus` tokens off the end of a suffix, or say how many pads take their place.

    The `truncate_or_pad` of StarCoder's pretraining: an example is as long as the plain text was.
    None when the suffix is not longer than what must go.
    """
    if surplus > 0 and len(suffix) <= surplus:
        return None
    kept = shorten(suffix, len(suffix) - surplus, tokenizer) if surplus > 0 else suffix
    pads = len(suffix) - surplus - len(kept)
    return kept, 0 if pad_id is None else pads
