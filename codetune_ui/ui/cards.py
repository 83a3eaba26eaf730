"""The cards of this machine on the Train tab: what is free on each, who holds it, which train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from codetune_ui.core.cards import format_cards, parse_cards
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, ConfigError
from codetune_ui.runs.cards import Card, check_cards, chosen
from codetune_ui.runs.lease import holder
from codetune_ui.runs.placement import read_placement
from codetune_ui.runs.store import Home
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.context import QUIET, PageContext, attach, fragment
from codetune_ui.ui.machine import WATCH


def build(page: PageContext) -> gr.HTML:
    """Draw the list, which shows and sets two settings of the form: cards and processes."""
    page.form.add("cards")
    shown = fragment("", elem_id="cards", js_on_load=attach("cards"))
    ticked = gr.Textbox(visible="hidden", elem_id="ticked")
    settings = [page.form.widgets[name] for name in ("cards", "processes")]
    ticked.change(tick, ticked, settings, **QUIET)
    return shown


def tick(press: str) -> tuple[str, int]:
    """Inputs: ticked, the number of the press and the cards. Outputs: cards, processes."""
    ticked = parse_cards(press.partition(" ")[2])
    first = tuple(card.number for card in WATCH.cards()[: len(ticked)])
    # The first ones are what no choice means too: so a preset stays that preset.
    return ("" if ticked == first else format_cards(ticked)), max(1, len(ticked))


def check(config: Config) -> None:
    """Raise `ConfigError` when cards are chosen that are not here; at once, so a moment old."""
    if WATCH.answered:
        check_cards(config, WATCH.cards())


def named(config: Config) -> Config:
    """Return settings that name their cards where there are several: as shown, so it is trained."""
    cards = WATCH.cards()
    if config.cards or len(cards) < 2:
        return config
    return config.replace(cards=format_cards(card.number for card in chosen(config, cards)))


def render(values: Mapping[str, Any]) -> str:
    """Return the list for what stands in the form; "" on a machine without cards."""
    cards = WATCH.cards()
    ticked = _ticked(values, cards)
    gone = [number for number in ticked if number not in [card.number for card in cards]]
    if not (cards or (gone and WATCH.answered)):
        return ""
    several = len(cards) > 1 or bool(gone)
    rows = [_row(card, several=several, ticked=card.number in ticked) for card in cards]
    rows += [_gone(number) for number in gone if WATCH.answered]
    note = '<p class="note">Tick two or more to train on all of them.</p>' * (len(cards) > 1)
    many = f'<em class="chip">{len(ticked)} of {len(cards)} train</em>' * (len(cards) > 1)
    return (
        f'<div class="cards"><div class="cardh"><h2>Cards</h2>{many}</div>{note}'
        f'<ul aria-label="Cards">{"".join(rows)}</ul></div>'
    )


def _ticked(values: Mapping[str, Any], cards: Sequence[Card]) -> tuple[int, ...]:
    with suppress(ConfigError):
        if numbers := parse_cards(str(values.get("cards") or "")):
            return numbers
    return tuple(card.number for card in cards[: int(values.get("processes") or 1)])


def _row(card: Card, *, several: bool, ticked: bool) -> str:
    box = f'<input type="checkbox" value="{card.number}"{" checked" * ticked}>' * several
    return (
        f'<li data-card="{card.number}"><label>{box}<b>{card.number}</b>'
        f"<span>{escape(card.name)}</span>"
        f'<span class="bar"><i style="width:{_share(card):.0f}%"></i></span>'
        f'<span class="free">{free(card)}</span></label><span class="who"></span></li>'
    )


def _gone(number: int) -> str:
    box = f'<input type="checkbox" value="{number}" checked>'
    return f'<li class="gone"><label>{box}<b>{number}</b><span>not here</span></label></li>'


def free(card: Card) -> str:
    """Return what is free on a card, in words."""
    return f"{card.free_gib:.1f} of {card.total_gib:.1f} GiB free"


def _share(card: Card) -> float:
    return 100 * card.used_gib / card.total_gib if card.total_gib else 0.0


def live(home: Home, cards: Sequence[Card]) -> list[dict[str, Any]]:
    """Return what changes about each card, for the page's tick."""
    mine = _held(home, cards) if cards else {}
    return [
        {
            "number": card.number,
            "free": free(card),
            "used": _share(card),
            "who": mine.get(card.number) or _strangers(card),
        }
        for card in cards
    ]


def in_use(home: Home, cards: Sequence[Card]) -> Card | None:
    """Return the first card that this app holds; None while it holds none."""
    mine = _held(home, cards) if cards else {}
    return next((card for card in cards if card.number in mine), None)


def _held(home: Home, cards: Sequence[Card]) -> dict[int, str]:
    """Return by which run of this app a card is held; the playground's model lies on the first."""
    held = holder(home)
    if held is None:
        return {}
    its = Config()
    with suppress(CodeTuneError):
        run = home.run(held.name)
        if read_placement(run.path) is None:
            its = run.config().divide_among(None if held.what == "training" else 1, None)
    return {card.number: f"{held.name} ({held.what})" for card in chosen(its, cards)}


def _strangers(card: Card) -> str:
    """Name the programs that hold some of a card, the largest by name."""
    if not card.programs:
        return ""
    most, more = card.programs[0], len(card.programs) - 1
    others = f", and {more} more" if more else ""
    return f"{most.name} (pid {most.pid}) holds {most.gib:.1f} GiB{others}"
