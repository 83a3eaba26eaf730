"""What a model reads for a request, and what it should write there: the same wherever it is asked.

The server, an evaluation and the scorecard of a training all take their prompts from here.
"""

from __future__ import annotations

from dataclasses import replace

from codetune_ui.core.completion import Ask
from codetune_ui.core.context import fitted
from codetune_ui.core.families import FimFormat
from codetune_ui.core.fim import Around, Mode, continued_prompt, infill_prompt
from codetune_ui.core.tokens import CodeTokenizer

FAR_CHARACTERS = 16  # for each token there is room for; code has three to five


def prompt_ids(
    ask: Ask, tokenizer: CodeTokenizer, format: FimFormat | None, room: int, steady: int = 1
) -> tuple[list[int], Mode]:
    """Return the ids the model reads, at most `room`, and in which order they were laid out.

    steady: a text that is too long loses tokens in multiples of this, so that a prompt begins as
    the one before it did while somebody types; 1 loses no more than it must.
    """
    if steady > 1:
        ask = _near(ask, room)
    around = _around(ask, tokenizer, format) if ask.path or ask.extra else None
    if format is not None and ask.suffix is not None:
        ids = infill_prompt(
            ask.prefix,
            ask.suffix,
            tokenizer=tokenizer,
            format=format,
            max_tokens=room,
            around=around,
            steady=steady,
        )
        return ids, "psm" if format.family.orders[0] == "psm" else "spm"
    start = tokenizer.bos_id if format is None else format.bos_id
    ids = continued_prompt(ask.prefix, tokenizer, room - 1, around, steady)
    # An empty prompt has no last token to go on from: a document begins after the last one.
    begin = start if start is not None or ids else (tokenizer.eos_id or 0)
    return ([] if begin is None else [begin]) + ids, "ltr"


def _near(ask: Ask, room: int) -> Ask:
    """Leave out text so far from the hole that none of its tokens would be kept.

    To encode a whole long file for every key that is pressed would take longer than to answer.
    """
    most = room * FAR_CHARACTERS
    start = max(0, len(ask.prefix) - most) // most * most
    start = ask.prefix.find("\n", start) + 1 if start else 0
    suffix = ask.suffix if ask.suffix is None else ask.suffix[:most]
    return replace(ask, prefix=ask.prefix[start:], suffix=suffix)


def middle_ids(
    middle: str, tokenizer: CodeTokenizer, format: FimFormat | None
) -> tuple[list[int], int | None]:
    """Return the tokens of a middle that is known, and the one that ends it."""
    end = tokenizer.eos_id if format is None else format.eot_id
    return tokenizer.encode(middle, continues=True), end


def stop_ids(tokenizer: CodeTokenizer, format: FimFormat | None) -> frozenset[int]:
    """Return the tokens at which an answer ends."""
    found = [tokenizer.eos_id, tokenizer.bos_id]
    if format is not None:
        found += [*format.stop_ids, *format.sentinel_ids, format.pad_id, format.bos_id]
    return frozenset(token for token in found if token is not None)


def _around(ask: Ask, tokenizer: CodeTokenizer, format: FimFormat | None) -> Around:
    """Return what gives a request's repository, path and files in so many tokens."""
    return lambda room: fitted(
        format,
        tokenizer,
        repo=ask.repo,
        path=ask.path,
        neighbours=ask.extra,
        most=room if ask.context_tokens is None else ask.context_tokens,
        room=room,
    )
