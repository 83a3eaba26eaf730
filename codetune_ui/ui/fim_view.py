"""What the FIM Preview tab shows of one sample, as HTML; pure, and every text in it is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.fim import Example
from codetune_ui.core.preview import learned_tokens
from codetune_ui.core.recipe import Recipe
from codetune_ui.ui.code_view import escape, highlight, numbered, pane, side_by_side
from codetune_ui.ui.context import empty
from codetune_ui.ui.fim_figures import MODE_LABELS, figures, orders
from codetune_ui.ui.fim_samples import Deck, Sample

ORDER_LABELS = {
    "psm": "prefix, suffix, middle",
    "spm_v1": "suffix, prefix, middle",
    "spm_v2": "suffix first, prefix and middle joined",
    None: "as the file reads",
}
PART_LABELS = {"c": "context", "p": "prefix", "s": "suffix", "m": "middle", "t": "text"}
FOLD_AT = 8  # lines: fewer are not worth a fold

NO_SCAN = empty(
    "No code scanned yet. The preview shows your own files.", "Open Model & Data", "data"
)
WAITING = f"<div data-wait>{empty('The scan is reading the code.')}</div>"


@dataclass(frozen=True)
class Pick:
    """The sample that is shown: number `index` (from 1) of `total` that fit the filter."""

    sample: Sample | None
    index: int
    total: int


def pick(deck: Deck, mode: str, number: int) -> Pick:
    """Choose the n-th sample of one mode ("drawn" is any); past the end it begins again."""
    fitting = [s for s in deck.samples if mode == "drawn" or s.example.mode == mode]
    if not fitting:
        return Pick(None, 0, 0)
    index = (number - 1) % len(fitting)
    return Pick(fitting[index], index + 1, len(fitting))


def render(deck: Deck, chosen: Pick, mode: str) -> str:
    """Return the line of figures and the two panes."""
    if chosen.sample is None:
        return figures(deck) + empty(_why_none(deck, mode))
    sample = chosen.sample
    panes = side_by_side(_source_pane(sample, chosen), _trained_pane(sample.example, sample, deck))
    return figures(deck) + panes


def trouble(error: CodeTuneError) -> str:
    """Return what is wrong and the way out, in place of a sample."""
    return empty(f"{error.message} {error.hint}".strip(), "Open Model & Data", "data")


def _why_none(deck: Deck, mode: str) -> str:
    if not deck.samples:
        return "No file of the set has this name, or it is empty."
    format = deck.recipe.format
    if mode == "ltr":
        return "No sample is left to right at this FIM rate."
    if format is None:
        return "This run is trained left to right only."
    known = orders(format)
    if mode.upper() not in known:
        return f"{format.family.label} was pretrained in {known} only: no sample is {mode.upper()}."
    return f"No sample is {mode.upper()} at these rates."


# --- left: the file


def _source_pane(sample: Sample, chosen: Pick) -> str:
    example = sample.example
    end = example.start + len(example.middle)
    marks = [(example.start, end, "mid")] if example.middle else []
    body = numbered(example.source, marks, sample.first_line, sample.language or "text")
    last = sample.first_line + len(example.source.splitlines()) - 1
    facts = f"<span>lines {sample.first_line:,} to {last:,}</span>"
    facts += f"<span>{escape(sample.language)}</span>" if sample.language else ""
    facts += f"<span>sample {chosen.index:,} of {chosen.total:,}</span>"
    hole = "masked middle" if example.middle else "empty middle"
    chip = "no hole" if example.mode == "ltr" else hole
    kind = "" if example.mode == "ltr" else "mid"
    return pane("Source file", example.path, chip, body, chip_kind=kind, footer=facts)


# --- right: what the model reads


def _trained_pane(example: Example, sample: Sample, deck: Deck) -> str:
    recipe = deck.recipe
    learned = learned_tokens(example)
    alone = recipe.loss_on == "middle" and example.mode != "ltr"
    footer = (
        f"<span>{len(example.ids):,} of {recipe.max_seq_len:,} tokens of a row</span>"
        f"<span>{learned:,} carry loss</span>"
        f"<span>{escape(_unlearned(alone, example.mode))}</span>"
    )
    flow = "".join(_flow(example, sample.language or "text", recipe))
    body = f'{_token_bar(example)}<pre class="code flow">{flow}</pre>'
    return pane(
        "What the model is trained on",
        f"{MODE_LABELS[example.mode]}: {ORDER_LABELS[example.order]}",
        "loss on the middle" if alone else "loss on all tokens",
        body,
        chip_kind="mid" if alone else "",
        footer=footer,
    )


def _unlearned(alone: bool, mode: str) -> str:
    if alone:
        return "faded: read, not learned"
    return "not the special tokens before the middle" if mode != "ltr" else "not the first token"


def _parts(example: Example) -> list[tuple[str, int]]:
    """Return the parts in the order of the tokens, with the tokenizer's own counts."""
    around = [("c", example.context.size)] if example.context.size else []
    if example.order is None:
        return [*around, ("t", example.prefix_tokens)]
    counts = {"p": example.prefix_tokens, "s": example.suffix_tokens, "m": example.middle_tokens}
    return [*around, *((key, counts[key]) for key in ("psm" if example.order == "psm" else "spm"))]


def _token_bar(example: Example) -> str:
    parts = "".join(
        f'<span class="{key}" style="flex:{max(count, 1)}"><b>{PART_LABELS[key]}</b> '
        f"{count:,} tok</span>"
        for key, count in _parts(example)
    )
    return f'<div class="tokbar">{parts}</div>'


def _flow(example: Example, language: str, recipe: Recipe) -> list[str]:
    """Return chips and coloured code in the order in which the model reads them."""
    text = _Text(example, language)
    if example.order is None:
        first, last = example.ids[0], example.ids[-1]
        start = [_chip(first, "e", recipe)] if first == recipe.bos_id else []
        end = [_chip(last, "e", recipe)] if last == recipe.eos_id else []
        around = _around([*example.context.before, *example.context.inside], recipe)
        return [*start, around, text.part("t"), *end]
    format = recipe.format
    if format is None:
        return []
    pre, suf = _chip(format.prefix_id, "p", recipe), _chip(format.suffix_id, "s", recipe)
    mid = "" if format.middle_id is None else _chip(format.middle_id, "m", recipe)
    fade = recipe.loss_on == "middle"
    before, after = text.part("p", fade), text.part("s", fade)
    before = _around(example.context.inside, recipe) + before
    layout = {
        "psm": [pre, before, suf, after, mid],
        "spm_v1": [suf, after, pre, before, mid],
        "spm_v2": [pre, suf, after, mid, before],
    }[example.order]
    bos = [] if format.bos_id is None else [_chip(format.bos_id, "e", recipe)]
    bos.append(_around(example.context.before, recipe))
    return [*bos, *layout, text.part("m"), _chip(format.eot_id, "e learned", recipe)]


def _around(ids: Sequence[int], recipe: Recipe) -> str:
    """Return the context as it is read: chips, and faded text, for none of it is learned."""
    found = ""
    for control, run in groupby(ids, recipe.tokenizer.is_control):
        tokens = list(run)
        if control:
            found += "".join(_chip(token, "e", recipe) for token in tokens)
        else:
            text = escape(recipe.tokenizer.decode(tokens, continues=True))
            found += f'<span class="seg c faded">{text}</span>'
    return found


def _chip(token_id: int, kind: str, recipe: Recipe) -> str:
    return f'<span class="sp {kind}">{escape(recipe.tokenizer.token_text(token_id))}</span>'


class _Text:
    """The window's code, coloured as one text and handed out in parts, long ones folded."""

    def __init__(self, example: Example, language: str) -> None:
        start, end = example.start, example.start + len(example.middle)
        first, last = start - len(example.prefix), end + len(example.suffix)
        source = example.source
        self.ranges = {"p": (first, start), "m": (start, end), "s": (end, last), "t": (0, last)}
        self.folds = {
            "p": _fold(source, first, start, head=2, tail=14),
            "s": _fold(source, end, last, head=14, tail=2),
            "t": _fold(source, 0, last, head=24, tail=8),
        }
        used = "t" if example.order is None else "ps"
        edges = {edge for key in used for edge in (*self.ranges[key], *(self.folds[key] or ()))}
        self.cuts = sorted(edges - {0})
        self.pieces = highlight(source, self.cuts, language)
        self.source = source

    def part(self, key: str, faded: bool = False) -> str:
        """Return one part as a coloured segment."""
        start, end = self.ranges[key]
        fold = self.folds.get(key)
        body = self._between(start, end) if fold is None else self._folded(start, end, fold)
        return f'<span class="seg {key}{" faded" if faded else ""}">{body}</span>'

    def _between(self, start: int, end: int) -> str:
        starts = [0, *self.cuts]
        found = zip(starts, self.pieces, strict=True)
        return "".join(piece for begin, piece in found if start <= begin < end)

    def _folded(self, start: int, end: int, fold: tuple[int, int]) -> str:
        lines = self.source.count("\n", *fold)
        return (
            f"{self._between(start, fold[0])}<details><summary>… {lines:,} lines</summary>"
            f"{self._between(*fold)}</details>{self._between(fold[1], end)}"
        )


def _fold(source: str, start: int, end: int, head: int, tail: int) -> tuple[int, int] | None:
    """Return the range of lines to hide between the first `head` and the last `tail` lines."""
    breaks = [place + 1 for place in range(start, end) if source[place] == "\n"]
    if len(breaks) < head + tail + FOLD_AT:
        return None
    return breaks[head - 1], breaks[-tail]
