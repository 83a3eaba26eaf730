"""The plan beside the form, as HTML: what a run will be, and what stands in its way."""

from __future__ import annotations

import time
from collections.abc import Sequence

from codetune_ui.core.cards import cards_named
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.memory import MemoryEstimate
from codetune_ui.runs.cards import Card
from codetune_ui.runs.lease import PLAYGROUND
from codetune_ui.ui import words
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.outlook import Outlook

PARTS = {  # part of the memory estimate: label, colour
    "weights_gib": ("weights", "var(--ct-base)"),
    "adapter_gib": ("adapter and optimizer", "var(--ct-tuned)"),
    "activations_gib": ("activations", "var(--ct-pre)"),
    "logits_gib": ("logits", "var(--ct-eval)"),
}


def wrong(error: CodeTuneError) -> str:
    """Return the card when the settings cannot be used; a script marks the field."""
    text, field = escape(str(error)), escape(getattr(error, "field", ""))
    return (
        f'<div class="plan"><h2>Plan</h2><p class="wrong" role="alert" '
        f'data-field="{field}">{text}</p></div>'
    )


def render(found: Outlook) -> str:
    """Return the plan card."""
    plan = found.plan
    heading = f"Plan of each of the {found.runs} runs" if found.runs > 1 else "Plan"
    facts = {
        "Steps": f"{plan.total_steps:,}",
        "Tokens in all": _millions(plan.total_tokens),
        "Passes over the code": f"{plan.epochs:.1f}" if plan.epochs is not None else "",
        "Time": f"about {words.duration(plan.seconds)}" if plan.seconds else "",
        "Memory": f"{plan.memory.total_gib:.1f} GiB" if plan.memory else "",
    }
    cells = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts.items() if v)
    checks = "".join(
        f'<li class="{kind}">{escape(text)}</li>' for kind, text in _checks(found) if text
    )
    return (
        f'<div class="plan"><h2>{heading}</h2><dl>{cells}</dl>'
        f'<p class="sentence">{escape(plan.sentence())}</p>'
        f"{_memory_bar(plan.memory, found.there_gib)}"
        f'<ul class="checks">{checks}</ul></div>'
    )


def _checks(found: Outlook) -> list[tuple[str, str]]:
    known = [found.code, ("ok", found.family)]
    if found.destination:
        return [*known, ("", found.destination)]
    return [*known, _memory_check(found), _machine_check(found)]


def _memory_check(found: Outlook) -> tuple[str, str]:
    where = _named(found.cards) if found.cards else "main memory"
    free = " free" if found.cards and found.held is None else ""
    if found.plan.memory is None:
        return "", "The base model's size is not known here: no memory estimate."
    needed = found.plan.memory.total_gib
    if needed <= found.there_gib:
        return "ok", f"Needs about {needed:.1f} of {found.there_gib:.1f} GiB{free} ({where})."
    less = "the memory setting least" if found.cards else "fewer rows per pass"
    fewer = f"{less}, shorter sequences or a smaller base model"
    return (
        "bad",
        f"Needs about {needed:.1f} GiB, {where} has {found.there_gib:.1f}{free}: try {fewer}.",
    )


def _machine_check(found: Outlook) -> tuple[str, str]:
    if found.held and found.held.name == PLAYGROUND:
        return "", "The playground's model is on the GPU; Start makes it leave."
    if found.held:
        since = time.strftime("%H:%M", time.localtime(found.held.since))
        what = "GPU" if found.cards else "machine"
        return "", f"'{found.held.name}' holds the {what} since {since}: this one waits its turn."
    if found.at_work:
        return "", f"'{found.at_work}' is at work: this one waits its turn."
    if not found.cards:
        return "", "CPU only: right for the demo model; larger ones need a GPU."
    for card in found.cards:
        if card.programs:  # nobody of this app: it would hold the lease
            most = card.programs[0]
            who = f"{most.name} (pid {most.pid}) holds {most.gib:.1f} GiB"
            others = len(card.programs) - 1
            more = f", {others} more some of it" if others else ""
            return "", f"{_named((card,))}: {who}{more}. It is not this app's."
    return "ok", f"{_named(found.cards)} {'is' if len(found.cards) == 1 else 'are'} free."


def _named(cards: Sequence[Card]) -> str:
    """Name cards by what they are, and by their numbers where it is not the first alone.

    >>> _named([Card("H200", 0.0, 140.4)])
    'H200'
    >>> _named([Card("H200", 0.0, 140.4, number=n) for n in (0, 1)])
    'H200, cards 0 and 1'
    """
    kinds = ", ".join(dict.fromkeys(card.name for card in cards))
    numbers = [card.number for card in cards]
    return kinds if numbers == [0] else f"{kinds}, {cards_named(numbers)}"


def _memory_bar(memory: MemoryEstimate | None, there_gib: float) -> str:
    if memory is None:
        return ""
    parts = [(getattr(memory, name), *about) for name, about in PARTS.items()]
    left = max(0.0, there_gib - memory.total_gib)
    bars = "".join(
        f'<i style="flex:{gib:.4f};background:{color}"></i>' for gib, _, color in parts if gib
    )
    legend = "".join(
        f'<span><i style="background:{color}"></i>{label} {gib:.2f}</span>'
        for gib, label, color in parts
    )
    return (
        f'<div class="mem">{bars}<i style="flex:{left:.4f}"></i></div>'
        f'<div class="mem-l">{legend}<span>of {there_gib:.1f} GiB</span></div>'
    )


def _millions(tokens: int) -> str:
    return f"{tokens / 1e6:.1f} M" if tokens >= 1_000_000 else f"{tokens:,}"
