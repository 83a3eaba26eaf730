"""Cut, order, render, label: the one place that builds a FIM sequence or an infill prompt.

In every order the middle comes last, so an example is an infill prompt, the middle and the token
that ends it. Training and serving share `prompt_parts`, and so cannot drift apart.

psm      PRE prefix SUF suffix MID      | middle EOT
spm_v1   SUF suffix PRE prefix MID      | middle EOT
spm_v2   PRE SUF suffix MID prefix      | middle EOT
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from codetune_ui.core.errors import ConfigError
from codetune_ui.core.families import FimFormat, Order
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.core.spans import choose_span
from codetune_ui.core.splice import Known, Piece, encode_pieces
from codetune_ui.core.tokens import CodeTokenizer

if TYPE_CHECKING:
    from codetune_ui.core.recipe import Recipe

Mode = Literal["psm", "spm", "ltr"]

PREFIX_SHARE = 0.75  # of the room for a prompt's text, as llama.cpp's /infill divides it


@dataclass(frozen=True)
class Example:
    """One training item: its tokens, the loss on them, and the text they came from.

    `prefix + middle + suffix` is `source`, unless far ends were cut to fit the row. A left-to-right
    example is all prefix.
    """

    ids: list[int]
    labels: list[int]
    mode: Mode
    path: str
    source: str
    prefix: str
    middle: str
    suffix: str
    order: Order | None = None
    start: int = 0
    """Character of `source` at which the middle begins."""
    prefix_tokens: int = 0
    middle_tokens: int = 0
    suffix_tokens: int = 0


@dataclass(frozen=True)
class Cut:
    """What chance decided for one window: its order, None for left to right, and its hole."""

    text: str
    path: str
    ends_document: bool
    order: Order | None
    start: int
    end: int
    known: Known | None = None
    """Tokens of the whole document, and `place`: where in it the window begins."""
    place: int = 0

    @property
    def prefix(self) -> str:
        """Text before the hole; all of it without one."""
        return self.text[: self.start]

    @property
    def middle(self) -> str:
        """Text in the hole."""
        return self.text[self.start : self.end]

    @property
    def suffix(self) -> str:
        """Text after the hole."""
        return self.text[self.end :]

    def piece(self, start: int, end: int) -> Piece:
        """Return a part of the window for encoding."""
        return Piece(self.text[start:end], self.known, self.place + start)


def make_example(
    text: str, *, recipe: Recipe, rng: random.Random, path: str, ends_document: bool
) -> Example:
    """Turn one window into an example; `ConfigError` when it is longer than a row."""
    cut = draw_cut(text, recipe=recipe, rng=rng, path=path, ends_document=ends_document)
    example = compose([cut], recipe)[0] or compose([left_to_right(cut)], recipe)[0]
    if example is None:
        raise ConfigError(
            f"{len(text)} characters do not fit a row of {recipe.max_seq_len} tokens.",
            "Cut the text into windows, or raise the sequence length.",
            field="max_seq_len",
        )
    return example


def draw_cut(
    window: Piece | str, *, recipe: Recipe, rng: random.Random, path: str, ends_document: bool
) -> Cut:
    """Decide whether a window gets a hole, where, and in which order it is told."""
    piece = Piece(window) if isinstance(window, str) else window
    text = piece.text
    whole = Cut(text, path, ends_document, None, len(text), len(text), piece.known, piece.start)
    if recipe.format is None or rng.random() >= recipe.fim_rate:
        return whole
    start, end = choose_span(text, recipe.span, rng)
    order = choose_order(recipe.format.family.orders, recipe.spm_rate, rng)
    return replace(whole, order=order, start=start, end=end)


def choose_order(orders: Sequence[Order], spm_rate: float, rng: random.Random) -> Order:
    """Pick one of the orders a family was trained in; the rate counts only where it knows both."""
    spm = [order for order in orders if order != "psm"]
    if not spm:
        return "psm"
    if "psm" not in orders:
        return spm[0]
    return spm[0] if rng.random() < spm_rate else "psm"


def left_to_right(cut: Cut) -> Cut:
    """Return the same window without a hole."""
    return replace(cut, order=None, start=len(cut.text), end=len(cut.text))


def has_whole_prompt(example: Example, recipe: Recipe) -> bool:
    """Read an example back from its tokens: is all that surrounds the hole there, and the end?

    Every sentinel stands once, the end of the middle is last, and the parts, decoded, are the
    window. Texts are compared in normal form, which some tokenizers write.
    """
    format, ids = recipe.format, example.ids
    if format is None or example.order is None:
        return False
    bos = () if format.bos_id is None else (format.bos_id,)
    inner = {*format.sentinel_ids, *bos}
    text = [token for token in ids[:-1] if token not in inner]
    sizes = {"p": example.prefix_tokens, "s": example.suffix_tokens, "m": example.middle_tokens}
    place, parts = 0, {}
    for key in "psm" if example.order == "psm" else "spm":
        ids_of_part = text[place : place + sizes[key]]
        parts[key] = recipe.tokenizer.decode(ids_of_part, continues=key != "p")
        place += sizes[key]
    once = all(ids.count(token) == 1 for token in inner)
    whole = parts["p"] + parts["m"] + parts["s"]
    same = unicodedata.normalize("NFC", whole) == unicodedata.normalize("NFC", example.source)
    return once and place == len(text) and ids[-1] == format.eot_id and same


def infill_prompt(
    prefix: str,
    suffix: str,
    *,
    tokenizer: CodeTokenizer,
    format: FimFormat,
    max_tokens: int,
    order: Order | None = None,
) -> list[int]:
    """Return the prompt after which the model writes the middle, at most `max_tokens` long.

    Served in the family's first order unless another is asked for.
    """
    before = tokenizer.encode(prefix)
    after = tokenizer.encode(suffix, continues=True)
    before, after = _fit(before, after, max_tokens - _fixed_tokens(format), tokenizer)
    parts = prompt_parts(order or format.family.orders[0], before, after, format)
    return [token for ids, _ in parts for token in ids]


def prompt_parts(
    order: Order, prefix: list[int], suffix: list[int], format: FimFormat
) -> list[tuple[list[int], bool]]:
    """Return what stands before the middle, piece by piece; True marks text, False sentinels."""
    pre, suf = ([format.prefix_id], False), ([format.suffix_id], False)
    mid = ([] if format.middle_id is None else [format.middle_id], False)
    bos = ([] if format.bos_id is None else [format.bos_id], False)
    before, after = (prefix, True), (suffix, True)
    if order == "psm":
        return [bos, pre, before, suf, after, mid]
    if order == "spm_v1":
        return [bos, suf, after, pre, before, mid]
    return [bos, pre, suf, after, mid, before]


def compose(cuts: Sequence[Cut], recipe: Recipe) -> list[Example | None]:
    """Encode many cuts in one go and render each; None where one does not fit a row."""
    joint = recipe.format is not None and recipe.format.family.joint_prefix_middle
    joins = [joint and cut.order == "spm_v2" for cut in cuts]
    both = list(zip(cuts, joins, strict=True))
    opening = [cut.piece(0, cut.end if join else cut.start) for cut, join in both]
    following = [piece for cut, join in both for piece in _following(cut, join)]
    prefixes = encode_pieces(opening, recipe.tokenizer)
    rest = iter(encode_pieces(following, recipe.tokenizer, continues=True))
    found: list[Example | None] = []
    for cut, join, prefix in zip(cuts, joins, prefixes, strict=True):
        if cut.order is None:
            found.append(_left_to_right(cut, prefix, recipe))
            continue
        suffix = next(rest)
        before, middle = _part_joint(prefix, cut, recipe) if join else (prefix, next(rest))
        found.append(_with_hole(cut, before, suffix, middle, recipe))
    return found


def _following(cut: Cut, joined: bool) -> list[Piece]:
    if cut.order is None:
        return []
    suffix = cut.piece(cut.end, len(cut.text))
    return [suffix] if joined else [suffix, cut.piece(cut.start, cut.end)]


def _part_joint(ids: list[int], cut: Cut, recipe: Recipe) -> tuple[list[int], list[int]]:
    """Part prefix and middle that were encoded as one; a token of both belongs to the middle."""
    ends = np.cumsum(recipe.tokenizer.token_lengths[np.asarray(ids, dtype=np.int64)])
    total = len((cut.prefix + cut.middle).encode("utf-8", "surrogatepass"))
    added = int(ends[-1]) - total if len(ends) else 0  # the dummy space, where there is one
    border = len(cut.prefix.encode("utf-8", "surrogatepass")) + added
    count = int(np.searchsorted(ends, border, side="right")) if cut.prefix else 0
    return ids[:count], ids[count:]


def _left_to_right(cut: Cut, ids: list[int], recipe: Recipe) -> Example | None:
    """BOS, the text, and EOS only where the document truly ends."""
    start = [] if recipe.bos_id is None else [recipe.bos_id]
    end = [recipe.eos_id] if cut.ends_document and recipe.eos_id is not None else []
    whole = [*start, *ids, *end]
    if len(whole) > recipe.max_seq_len:
        return None
    # nothing stands before the first token, so nothing can predict it
    labels = [IGNORE_INDEX, *whole[1:]]
    return Example(
        ids=whole,
        labels=labels,
        mode="ltr",
        path=cut.path,
        source=cut.text,
        prefix=cut.text,
        middle="",
        suffix="",
        start=cut.start,
        prefix_tokens=len(ids),
    )


def _with_hole(
    cut: Cut, prefix: list[int], suffix: list[int], middle: list[int], recipe: Recipe
) -> Example | None:
    """Prompt, middle and the end of the middle; far ends of the prompt go when it is too long."""
    format = recipe.format
    if format is None or cut.order is None:
        return None
    room = recipe.max_seq_len - _fixed_tokens(format) - len(middle) - 1
    if room < 0:
        return None
    before, after = _fit(prefix, suffix, room, recipe.tokenizer)
    target = [*middle, format.eot_id]
    ids: list[int] = []
    labels: list[int] = []
    for tokens, is_text in prompt_parts(cut.order, before, after, format):
        ids += tokens
        learns = is_text and recipe.loss_on == "all"
        labels += tokens if learns else [IGNORE_INDEX] * len(tokens)
    decode = recipe.tokenizer.decode
    return Example(
        ids=ids + target,
        labels=labels + target,
        mode="psm" if cut.order == "psm" else "spm",
        path=cut.path,
        source=cut.text,
        prefix=cut.prefix if before is prefix else decode(before, continues=True),
        middle=cut.middle,
        suffix=cut.suffix if after is suffix else decode(after, continues=True),
        order=cut.order,
        start=cut.start,
        prefix_tokens=len(before),
        middle_tokens=len(middle),
        suffix_tokens=len(after),
    )


def _fixed_tokens(format: FimFormat) -> int:
    """Tokens of a prompt that are not text."""
    return len(format.sentinel_ids) + (format.bos_id is not None)


def _fit(
    prefix: list[int], suffix: list[int], room: int, tokenizer: CodeTokenizer
) -> tuple[list[int], list[int]]:
    """Keep the ends next to the hole: 3 parts prefix to 1 part suffix, unused room to the other.

    A cut falls between characters; a list that fits is returned as it is.
    """
    room = max(room, 0)
    if len(prefix) + len(suffix) <= room:
        return prefix, suffix
    after = min(len(suffix), max(room - int(room * PREFIX_SHARE), room - len(prefix)))
    first = len(prefix) - min(len(prefix), room - after)
    while first < len(prefix) and not tokenizer.begins_character(prefix[first]):
        first += 1
    while 0 < after < len(suffix) and not tokenizer.begins_character(suffix[after]):
        after -= 1
    before = prefix[first:] if first else prefix
    return before, suffix[:after] if after < len(suffix) else suffix
