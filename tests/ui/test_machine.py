from __future__ import annotations

import time
from pathlib import Path

import pytest

from codetune_ui.ui.machine import CardWatch, memory_gib
from tests.two_cards import a_tool


def settled(watch: CardWatch) -> CardWatch:
    """Wait for the watch's first answer."""
    deadline = time.monotonic() + 10
    while not watch._cards and time.monotonic() < deadline:
        watch.look()
        time.sleep(0.02)
    return watch


def test_the_watch_does_not_wait_and_knows_it_later(tmp_path: Path) -> None:
    watch = CardWatch(a_tool(tmp_path))
    assert watch.look() is None
    card = settled(watch).look()
    assert card is not None
    assert (card.number, card.name, card.total_gib) == (0, "RTX 4090", 24.0)


def test_cards_that_are_hidden_from_the_page_are_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    watch = settled(CardWatch(a_tool(tmp_path)))
    assert [card.number for card in watch.cards()] == [1]
    assert [watch.look()] == list(watch.cards())


def test_without_the_tool_nothing_is_asked() -> None:
    assert CardWatch("").look() is None


def test_the_memory_is_known() -> None:
    assert memory_gib() > 0.5
