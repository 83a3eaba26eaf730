"""The line of figures of the FIM Preview tab, as HTML; pure, and every text in it is escaped."""

from __future__ import annotations

from codetune_ui.core.families import FimFormat
from codetune_ui.core.fim import Mode
from codetune_ui.core.preview import Bar
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.fim_samples import Deck

MODE_LABELS: dict[Mode, str] = {"psm": "PSM", "spm": "SPM", "ltr": "left to right"}
HIGHEST = 26  # pixels, of the tallest bar


def figures(deck: Deck) -> str:
    """Say how the samples are shared out, how much is learned, and how long the middles are."""
    found = deck.figures
    if not found.examples:
        return ""
    bar = "".join(
        f'<i class="{mode}" style="flex:{found.modes[mode]}"></i>'
        for mode in MODE_LABELS
        if found.modes[mode]
    )
    shares = "".join(
        f'<span class="k {mode}"><b>{found.modes[mode] / found.examples:.0%}</b> {label}</span>'
        for mode, label in MODE_LABELS.items()
    )
    return (
        f'<div class="fimfacts"><span class="fimbar" aria-hidden="true">{bar}</span>{shares}'
        f"<span>of {found.examples:,} samples</span>{_whole(deck)}"
        f'<span class="fimfam" title="{escape(deck.evidence)}">{escape(_family(deck))}</span></div>'
        f'<div class="fimfacts more"><span><b>{found.chars_per_token:.2f}</b> characters per '
        f"token</span><span><b>{found.learned_share:.1%}</b> of {found.tokens:,} tokens carry "
        f"loss</span>{_histogram(found.middles)}</div>"
    )


def _whole(deck: Deck) -> str:
    found = deck.figures
    if not found.holes:
        return ""
    why = ""
    if found.whole_prompts < found.holes:
        why = (
            ": truncate_or_pad cuts the other suffixes"
            if deck.recipe.fit == "truncate_or_pad"
            else ": the others are longer than a row"
        )
    # a share that is not quite all of them must not be rounded up to it
    share = f"{int(found.whole_prompt_share * 1000) / 10:g}%"
    return (
        f'<span class="whole"><b>{share}</b> of {found.holes:,} holes have their whole prompt '
        f"in the row{why}</span>"
    )


def _histogram(bars: tuple[Bar, ...]) -> str:
    """Draw how long the middles are, in tokens; each bar says its figures when pointed at."""
    most = max((bar.count for bar in bars), default=0)
    if not most:
        return ""
    drawn = "".join(
        f'<i style="height:{max(bar.count * HIGHEST / most, bar.count > 0):.0f}px" '
        f'title="{bar.count:,} middles of {_range(bar)} tokens"></i>'
        for bar in bars
    )
    said = ", ".join(f"{bar.count} of {_range(bar)}" for bar in bars if bar.count)
    return (
        '<span class="fimhist">Tokens in a middle <em>0</em>'
        f'<span class="bars" role="img" aria-label="Middles by tokens: {said}">{drawn}</span>'
        f"<em>{bars[-1].low}+</em></span>"
    )


def _range(bar: Bar) -> str:
    if bar.high is None:
        return f"{bar.low} or more"
    return f"{bar.low}" if bar.low == bar.high else f"{bar.low} to {bar.high}"


def _family(deck: Deck) -> str:
    format = deck.recipe.format
    if format is None:
        return "Trained left to right only"
    return f"{format.family.label}, pretrained in {orders(format)}"


def orders(format: FimFormat) -> str:
    """Return a family's orders in words."""
    return " and ".join("PSM" if order == "psm" else "SPM" for order in format.family.orders)
