"""An example read back from its tokens: is all around the hole in the row, and which code is it?"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from codetune_ui.core.context import Context
from codetune_ui.core.example import Example
from codetune_ui.core.families import FimFormat
from codetune_ui.core.tokens import CodeTokenizer

if TYPE_CHECKING:
    from codetune_ui.core.recipe import Recipe


def has_whole_prompt(example: Example, recipe: Recipe) -> bool:
    """Read an example back from its tokens: is all that surrounds the hole there, and the end?

    Every sentinel stands once, the end of the middle is last, and the parts, decoded, are the
    window. Texts are compared in normal form, which some tokenizers write.
    """
    format = recipe.format
    if format is None or example.order is None or example.ids[-1:] != [format.eot_id]:
        return False
    ids = _without_frame(example.ids[:-1], format, example.context)
    if ids is None or any(ids.count(token) != 1 for token in format.sentinel_ids):
        return False
    fixed = {*format.sentinel_ids, format.pad_id}
    text = [token for token in ids if token not in fixed]
    sizes = {"p": example.prefix_tokens, "s": example.suffix_tokens, "m": example.middle_tokens}
    place, parts = 0, {}
    for key in "psm" if example.order == "psm" else "spm":
        place += len(example.context.inside) if key == "p" else 0
        ids_of_part = text[place : place + sizes[key]]
        parts[key] = recipe.tokenizer.decode(ids_of_part, continues=key != "p")
        place += sizes[key]
    whole = unicodedata.normalize("NFC", parts["p"] + parts["m"] + parts["s"])
    return place == len(text) and whole == unicodedata.normalize("NFC", example.source)


def in_document_order(ids: list[int], tokenizer: CodeTokenizer, format: FimFormat | None) -> str:
    """Return the code of an example from its tokens alone: prefix, middle, suffix, as in the file.

    In all three orders what follows the prefix sentinel comes first, what follows the suffix
    sentinel last.
    """
    if format is None:
        return tokenizer.decode(ids, skip_control=True)
    opened: dict[int, list[int]] = {token: [] for token in (-1, *format.sentinel_ids)}
    part, head = opened[-1], list(format.head_ids)
    start = len(head) if ids[: len(head)] == head else 0
    for token in ids[start:]:
        if token in opened:
            part = opened[token]
        else:
            part.append(token)
    middle = [] if format.middle_id is None else opened[format.middle_id]
    tail = list(format.closing_ids)
    middle = middle[len(tail) :] if middle[: len(tail)] == tail else middle
    whole = [*opened[-1], *opened[format.prefix_id], *middle, *opened[format.suffix_id]]
    return tokenizer.decode(whole, skip_control=True)


def _without_frame(ids: list[int], format: FimFormat, context: Context) -> list[int] | None:
    """Take BOS, context and chat turn away; None when they are not where they belong."""
    head, tail = [*format.head_ids, *context.before], list(format.closing_ids)
    if ids[: len(head)] != head:
        return None
    if not tail:
        return ids[len(head) :]
    if format.middle_id not in ids:
        return None
    end = ids.index(format.middle_id) + 1
    found = ids[end : end + len(tail)] == tail
    return [*ids[len(head) : end], *ids[end + len(tail) :]] if found else None
