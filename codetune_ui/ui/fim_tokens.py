"""The tokens of one sample as a table, page by page; pure, and every text in it is escaped."""

from __future__ import annotations

from codetune_ui.core.fim import Example, prompt_parts
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.core.recipe import Recipe
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.fim_samples import Sample

PAGE = 200  # tokens; a browser draws these at once
HEADINGS = ("Position", "Part", "Token", "Id", "Loss")


def pages(sample: Sample | None) -> int:
    """Return how many pages a sample's tokens fill."""
    return 0 if sample is None else -(-len(sample.example.ids) // PAGE)


def page_of_middle(sample: Sample | None) -> int:
    """Return the page (from 1) on which the middle begins: it comes last, its end after it."""
    if sample is None or sample.example.order is None:
        return 1
    example = sample.example
    return (len(example.ids) - example.middle_tokens - 1) // PAGE + 1


def token_table(sample: Sample | None, recipe: Recipe, page: int = 1) -> str:
    """Return one page of a sample's tokens: position id, part, text, id, and whether it is learned.

    A page before the first is the first, one past the last the last.
    """
    if sample is None:
        return ""
    example = sample.example
    count = len(example.ids)
    page = clip(sample, page)
    first, last = (page - 1) * PAGE, min(page * PAGE, count)
    parts = part_names(example, recipe)
    body = "".join(_row(example, place, parts[place], recipe) for place in range(first, last))
    headings = "".join(f'<th scope="col">{name}</th>' for name in HEADINGS)
    return (
        f'<p class="fim-page">Tokens {first + 1:,} to {last:,} of {count:,}. Position ids begin '
        "again at 0 with every example of a row.</p>"
        f'<div class="fim-ids"><table><thead><tr>{headings}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def clip(sample: Sample | None, page: int) -> int:
    """Return the page nearest to the one asked for that there is."""
    return max(1, min(page, pages(sample)))


def part_names(example: Example, recipe: Recipe) -> list[str]:
    """Say of every token what it is a part of; "" is a token of the format."""
    before, after = ["prefix"] * example.prefix_tokens, ["suffix"] * example.suffix_tokens
    middle = ["middle"] * example.middle_tokens
    if recipe.format is None or example.order is None:
        bos = [""] * (example.ids[:1] == [recipe.bos_id])
        start = [*bos, *["context"] * example.context.size]
        text = ["text"] * example.prefix_tokens
        return [*start, *text, *[""] * (len(example.ids) - len(start) - len(text))]
    prefix, suffix = [0] * len(before), [0] * len(after)
    parts = prompt_parts(example.order, prefix, suffix, recipe.format)
    own = sum(len(ids) for ids, _ in parts) + len(middle) + 1
    names: list[str] = []
    for ids, _ in parts:
        if ids is prefix:
            names += ["context"] * len(example.context.inside)
        names += before if ids is prefix else after if ids is suffix else [""] * len(ids)
        if ids is suffix:  # pads of a suffix that was too short
            names += [""] * (len(example.ids) - own - example.context.size)
    head = len(recipe.format.head_ids)
    around = ["context"] * len(example.context.before)
    return [*names[:head], *around, *names[head:], *middle, ""]


def _row(example: Example, place: int, part: str, recipe: Recipe) -> str:
    token, label = example.ids[place], example.labels[place]
    text = escape(visible(recipe.tokenizer.token_text(token)))
    shown = f'<span class="sp e">{text}</span>' if recipe.tokenizer.is_control(token) else text
    learned = label != IGNORE_INDEX
    kind = "" if learned else ' class="off"'
    loss = "learned" if learned else "no loss"
    return (
        f"<tr{kind}><td>{place}</td><td>{part}</td><td>{shown}</td><td>{token}</td>"
        f"<td>{loss}</td></tr>"
    )


def visible(text: str) -> str:
    r"""Make white space seen.

    >>> visible("a b\n")
    'a·b⏎'
    """
    return text.replace(" ", "·").replace("\n", "⏎").replace("\r", "␍").replace("\t", "⇥")
