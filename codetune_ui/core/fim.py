"""Cut, order, render, label: the one place that builds a FIM sequence or an infill prompt.

In every order the middle comes last, so an example is an infill prompt, the middle and the token
that ends it. Training and serving share `prompt_parts`, and so cannot drift apart.

psm      PRE prefix SUF suffix MID      | middle EOT
spm_v1   SUF suffix PRE prefix MID      | middle EOT
spm_v2   PRE SUF suffix MID prefix      | middle EOT
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from codetune_ui.core.context import HEADER_TOKENS, NO_CONTEXT, Context
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.example import Cut, Example, Mode
from codetune_ui.core.families import FimFormat, Order
from codetune_ui.core.layout import cut_before, keep_near_ends, prompt_parts, to_length
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.core.readback import has_whole_prompt
from codetune_ui.core.spans import choose_span
from codetune_ui.core.splice import Piece, encode_pieces
from codetune_ui.core.syntax import Place
from codetune_ui.core.tokens import CodeTokenizer

if TYPE_CHECKING:
    from codetune_ui.core.recipe import Recipe

Around = Callable[[int], Context]

__all__ = [
    "Cut",
    "Example",
    "Mode",
    "choose_order",
    "compose",
    "continued_prompt",
    "draw_cut",
    "has_whole_prompt",
    "infill_prompt",
    "left_to_right",
    "make_example",
    "prompt_parts",
]


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
    window: Piece | str,
    *,
    recipe: Recipe,
    rng: random.Random,
    path: str,
    ends_document: bool,
    grammar: str = "",
) -> Cut:
    """Decide whether a window gets a hole, where, and in which order it is told.

    `grammar` is the language's, for holes that follow the syntax (see `core.syntax`).
    """
    piece = Piece(window) if isinstance(window, str) else window
    text = piece.text
    whole = Cut(text, path, ends_document, None, len(text), len(text), piece.known, piece.start)
    if recipe.format is None or rng.random() >= recipe.fim_rate:
        return whole
    file = piece.known.text if piece.known and piece.known.text else text
    place = Place(file, piece.start if file is not text else 0, grammar)
    start, end = choose_span(text, recipe.span, rng, mix=recipe.mix, place=place)
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


def infill_prompt(
    prefix: str,
    suffix: str,
    *,
    tokenizer: CodeTokenizer,
    format: FimFormat,
    max_tokens: int,
    order: Order | None = None,
    around: Around | None = None,
    steady: int = 1,
) -> list[int]:
    """Return the prompt after which the model writes the middle, at most `max_tokens` long.

    Served in the family's first order unless another is asked for. `around` gives the context
    that fits some tokens: a path has its place, its neighbours get what text leaves free. What is
    too long is cut at multiples of `steady` tokens.
    """
    before = tokenizer.encode(prefix)
    after = tokenizer.encode(suffix, continues=True)
    room = max_tokens - format.fixed_tokens
    kept = around(min(HEADER_TOKENS, room // 8)).size if around else 0
    before, after = keep_near_ends(before, after, room - kept, tokenizer, steady)
    left = room - len(before) - len(after)
    context = around(max(kept, left // steady * steady)) if around else NO_CONTEXT
    parts = prompt_parts(order or format.family.orders[0], before, after, format, context)
    return [token for ids, _ in parts for token in ids]


def continued_prompt(
    prefix: str,
    tokenizer: CodeTokenizer,
    room: int,
    around: Around | None = None,
    steady: int = 1,
) -> list[int]:
    """Return a prompt without a hole: the end of the prefix, and the context in what that leaves.

    As in training, context stands before the text, and nothing is between the two.
    """
    ids = tokenizer.encode(prefix)
    kept = around(min(HEADER_TOKENS, room // 8)).size if around else 0
    ids = ids[cut_before(len(ids), room - kept, steady) :] if room > kept else []
    context = around(room - len(ids)) if around else NO_CONTEXT
    return [*context.before, *context.inside, *ids]


def compose(cuts: Sequence[Cut], recipe: Recipe) -> list[Example | None]:
    """Encode many cuts in one go and render each; None where one does not fit a row."""
    joint = recipe.format is not None and recipe.format.family.joint_prefix_middle
    joins = [joint and cut.order == "spm_v2" for cut in cuts]
    both = list(zip(cuts, joins, strict=True))
    opening = [cut.piece(0, cut.end if join else cut.start) for cut, join in both]
    following = [piece for cut, join in both for piece in _following(cut, join)]
    prefixes = encode_pieces(opening, recipe.tokenizer)
    lengths = _plain_lengths(cuts, recipe)
    rest = iter(encode_pieces(following, recipe.tokenizer, continues=True))
    found: list[Example | None] = []
    for cut, join, prefix, length in zip(cuts, joins, prefixes, lengths, strict=True):
        if cut.order is None:
            found.append(_left_to_right(cut, prefix, recipe))
            continue
        suffix = next(rest)
        before, middle = _part_joint(prefix, cut, recipe) if join else (prefix, next(rest))
        found.append(_with_hole(cut, before, suffix, middle, recipe, length))
    return found


def _plain_lengths(cuts: Sequence[Cut], recipe: Recipe) -> list[int]:
    """Return how many tokens each window has without a hole, where that decides its length."""
    if recipe.fit != "truncate_or_pad":
        return [0] * len(cuts)
    wholes = [cut.piece(0, len(cut.text)) for cut in cuts]
    return [len(ids) for ids in encode_pieces(wholes, recipe.tokenizer)]


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
    context = _context(cut, recipe, recipe.max_seq_len - len(start) - len(ids) - len(end))
    start += [*context.before, *context.inside]
    whole = [*start, *ids, *end]
    if len(whole) > recipe.max_seq_len:
        return None
    # nothing stands before the first token, so nothing can predict it
    unlearned = max(1, len(start) if context.size else 1)
    labels = [IGNORE_INDEX] * unlearned + whole[unlearned:]
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
        context=context,
    )


def _context(cut: Cut, recipe: Recipe, room: int) -> Context:
    """Return what the file is read with, in the room that is left of a row."""
    return recipe.around.around(cut.path, room) if recipe.around and room > 0 else NO_CONTEXT


def _with_hole(
    cut: Cut,
    prefix: list[int],
    suffix: list[int],
    middle: list[int],
    recipe: Recipe,
    plain_length: int,
) -> Example | None:
    """Prompt, middle and the end of the middle; None where the row has no room for them."""
    format = recipe.format
    if format is None or cut.order is None:
        return None
    ends = _ends(prefix, suffix, len(middle), recipe, plain_length)
    if ends is None:
        return None
    before, after, pads = ends
    target = [*middle, format.eot_id]
    own = format.fixed_tokens + len(before) + len(after) + len(pads) + len(target)
    context = _context(cut, recipe, recipe.max_seq_len - own)
    ids: list[int] = []
    labels: list[int] = []
    for tokens, is_text in prompt_parts(cut.order, before, after, format, context):
        filler = pads if tokens is after else []
        ids += tokens + filler
        learns = is_text and recipe.loss_on == "all"
        labels += tokens if learns else [IGNORE_INDEX] * len(tokens)
        labels += [IGNORE_INDEX] * len(filler)
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
        context=context,
    )


def _ends(
    prefix: list[int], suffix: list[int], middle: int, recipe: Recipe, plain_length: int
) -> tuple[list[int], list[int], list[int]] | None:
    """Return what of prefix and suffix stays, and pads; None where a row has no room for them.

    middle: its tokens. plain_length: those of the whole window, which is the length to keep.
    """
    format = recipe.format
    room = 0 if format is None else recipe.max_seq_len - format.fixed_tokens - middle - 1
    if format is None or room < 0:
        return None
    if recipe.fit != "truncate_or_pad":
        return *keep_near_ends(prefix, suffix, room, recipe.tokenizer), []
    text = len(prefix) + len(suffix) + middle
    surplus = text + len(format.sentinel_ids) - plain_length
    fitted = to_length(suffix, surplus, format.pad_id, recipe.tokenizer)
    if fitted is None or len(prefix) + len(fitted[0]) + fitted[1] > room:
        return None
    return prefix, fitted[0], [format.pad_id or 0] * fitted[1]
