from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.runs.cards import (
    Card,
    Program,
    ask_cards,
    check_cards,
    check_here,
    chosen,
    environment_of,
    read_cards,
    visible,
)
from tests.two_cards import a_tool

TWO = (Card("A", 1.0, 24.0, number=0, uuid="GPU-aa"), Card("B", 2.0, 24.0, number=1, uuid="GPU-b"))
PAIR: dict[str, Any] = {"processes": 2, "global_batch_rows": 4}


def numbers(cards: tuple[Card, ...]) -> list[int]:
    return [card.number for card in cards]


def test_all_cards_are_read_with_what_is_free_on_each(tmp_path: Path) -> None:
    cards = ask_cards(a_tool(tmp_path))
    assert [(card.number, card.name, card.free_gib, card.total_gib) for card in cards] == [
        (0, "RTX 4090", 23.5, 24.0),
        (1, "RTX 4090", 17.5, 24.0),
    ]


def test_programs_are_named_on_their_card_the_most_first(tmp_path: Path) -> None:
    first, second = ask_cards(a_tool(tmp_path))
    assert first.programs == ()
    assert second.programs == (Program(4242, "python.exe", 5.0), Program(12, "train", 1.0))


def test_no_answer_is_no_card(tmp_path: Path) -> None:
    assert ask_cards(str(tmp_path / "missing")) == ()
    assert read_cards("No devices were found") == ()
    assert read_cards("0, GPU-aa, NVIDIA X, [N/A], 24564") == ()


@pytest.mark.parametrize(
    ("given", "left"),
    [("1", [1]), ("1,0", [1, 0]), ("GPU-b", [1]), ("", []), ("-1", []), ("MIG-GPU-aa", [])],
)
def test_an_environment_leaves_some_cards_and_their_order(given: str, left: list[int]) -> None:
    assert numbers(visible(TWO, {"CUDA_VISIBLE_DEVICES": given})) == left


def test_an_environment_that_says_nothing_leaves_all() -> None:
    assert numbers(visible(TWO, {})) == [0, 1]


def test_a_run_that_names_no_card_takes_the_first() -> None:
    assert numbers(chosen(Config(), TWO)) == [0]
    assert numbers(chosen(Config(**PAIR), TWO)) == [0, 1]
    assert numbers(chosen(Config(cards="1"), TWO)) == [1]


def test_a_card_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        check_cards(Config(cards="3"), TWO)
    assert str(caught.value) == "There is no card 3 here. Choose from cards 0 and 1."
    assert caught.value.field == "cards"
    with pytest.raises(ConfigError, match="There is no card 0 here"):
        check_cards(Config(cards="0"), ())


def test_more_processes_than_cards_are_refused_but_not_without_any() -> None:
    with pytest.raises(ConfigError, match="3 processes need 3 cards, and 2 are here"):
        check_cards(Config(processes=3, global_batch_rows=3, micro_batch_rows=1), TWO)
    check_cards(Config(processes=3, global_batch_rows=3, micro_batch_rows=1), ())


def test_the_tool_is_asked_only_where_it_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    check_here(Config())
    with pytest.raises(ConfigError, match="There is no card 0 here"):
        check_here(Config(cards="0"))
    a_tool(tmp_path)
    check_here(Config(cards="0"))


def test_a_process_sees_the_named_cards_as_nvidia_smi_counts_them() -> None:
    assert environment_of(Config(cards="1, 0", **PAIR)) == {
        "CUDA_VISIBLE_DEVICES": "1,0",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    assert environment_of(Config(**PAIR)) == {}
