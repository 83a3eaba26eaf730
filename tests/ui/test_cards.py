from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.presets import preset
from codetune_ui.runs.cards import Card, Program
from codetune_ui.runs.lease import acquire
from codetune_ui.runs.store import Home
from codetune_ui.ui import cards
from codetune_ui.ui.machine import CardWatch

TWO = (
    Card("L40", 1.0, 48.0, number=0),
    Card("L40", 12.0, 48.0, (Program(42, "blender", 9.5), Program(7, "x", 2.0)), number=1),
)


def on_a_machine_with(patch: pytest.MonkeyPatch, found: tuple[Card, ...]) -> None:
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    watch = CardWatch("")
    watch._cards = found
    patch.setattr(cards, "WATCH", watch)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, TWO)


def ticked(html: str) -> list[str]:
    return [part[:1] for part in html.split('value="')[1:] if " checked" in part.split(">")[0]]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("named", "processes", "shown"),
    [("", 1, ["0"]), ("", 2, ["0", "1"]), ("1", 1, ["1"]), ("1,0", 2, ["0", "1"])],
)
def test_the_cards_that_would_train_are_ticked(
    named: str, processes: int, shown: list[str]
) -> None:
    assert ticked(cards.render({"cards": named, "processes": processes})) == shown


@pytest.mark.usefixtures("two")
def test_each_card_says_what_is_free_on_it() -> None:
    html = cards.render({"cards": "", "processes": 1})
    assert "47.0 of 48.0 GiB free" in html
    assert "36.0 of 48.0 GiB free" in html
    assert "1 of 2 train" in html


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("values", [{"cards": "x"}, {"cards": "", "processes": None}, {}])
def test_a_form_that_is_half_filled_ticks_the_first(values: dict[str, object]) -> None:
    assert ticked(cards.render(values)) == ["0"]


def test_a_machine_without_cards_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, ())
    assert cards.render({"cards": "", "processes": 1}) == ""


def test_of_one_card_nothing_is_to_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, TWO[:1])
    html = cards.render({"cards": "", "processes": 1})
    assert "47.0 of 48.0 GiB free" in html
    assert "<input" not in html


def test_a_card_that_is_gone_can_be_unticked(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, TWO[:1])
    html = cards.render({"cards": "1", "processes": 1})
    assert "not here" in html
    assert ticked(html) == ["1"]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("press", "settings"),
    [("1 0", ("", 1)), ("2 0,1", ("", 2)), ("3 1", ("1", 1)), ("4 ", ("", 1))],
)
def test_ticks_become_settings(press: str, settings: tuple[str, int]) -> None:
    assert cards.tick(press) == settings


@pytest.mark.usefixtures("two")
def test_a_run_is_given_the_numbers_that_are_ticked() -> None:
    assert cards.named(preset("demo")).cards == "0"
    assert cards.named(preset("demo", cards="1")).cards == "1"


def test_on_a_machine_with_one_card_its_number_is_left_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_a_machine_with(monkeypatch, TWO[:1])
    assert cards.named(preset("demo")).cards == ""


def test_the_card_that_this_app_is_using_is_known(home: Path) -> None:
    there = Home(home)
    assert cards.in_use(there, TWO) is None
    there.create_run(preset("demo", cards="1"), "calm-otter")
    with acquire(there, "calm-otter", "training"):
        assert cards.in_use(there, TWO) == TWO[1]


def test_strangers_are_named_by_pid_and_our_own_by_run(home: Path) -> None:
    there = Home(home)
    assert [card["who"] for card in cards.live(there, TWO)] == [
        "",
        "blender (pid 42) holds 9.5 GiB, and 1 more",
    ]
    there.create_run(preset("demo", cards="1"), "calm-otter")
    with acquire(there, "calm-otter", "training"):
        assert [card["who"] for card in cards.live(there, TWO)] == ["", "calm-otter (training)"]
    with acquire(there, "calm-otter", "evaluating"):
        assert [card["who"] for card in cards.live(there, TWO)] == ["", "calm-otter (evaluating)"]
    with acquire(there, "playground", "answering"):
        assert cards.live(there, TWO)[0]["who"] == "playground (answering)"
