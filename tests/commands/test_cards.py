"""Which cards train, as the command line takes and refuses it; the machine has two of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codetune_ui.core.presets import preset
from codetune_ui.runs import queue
from codetune_ui.runs.store import Home
from tests.calling import call, last_json, refused
from tests.two_cards import a_tool


@pytest.fixture
def there(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home on a machine with two cards, where no keeper starts."""
    a_tool(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(queue, "spawn", lambda *_, **__: None)
    return Home(home)


def chosen(there: Home, name: str) -> tuple[int, str]:
    config = there.run(name).config()
    return config.processes, config.cards


@pytest.mark.parametrize("way", [("--cards", "0,1"), ("--set", "cards=0,1")])
def test_cards_are_chosen_and_kept_with_a_run_that_waits(there: Home, way: tuple[str, str]) -> None:
    rows = ("--set", "global_batch_rows=2")
    last_json(call("train", "--name", "a", *rows, *way, "--queue", "--json"))
    assert chosen(there, "a") == (2, "0,1")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--cards", "7"], "There is no card 7 here. Choose from cards 0 and 1."),
        (["--cards", "0,1"], "1 row per step cannot be divided among 2 cards."),
        (["--cards", "all"], "'all' is no number of a card."),
        (
            ["--cards", "0", "--set", "processes=2", "--set", "global_batch_rows=2"],
            "1 card is named",
        ),
        (
            ["--set", "processes=3", "--set", "global_batch_rows=3"],
            "3 processes need 3 cards, and 2",
        ),
    ],
)
def test_cards_that_do_not_fit_are_refused_before_there_is_a_run(
    there: Home, typed: list[str], words: str
) -> None:
    refused(call("train", *typed), words)
    assert there.runs() == []


def test_a_card_that_is_hidden_from_the_app_is_refused(
    there: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    refused(call("train", "--cards", "0"), "There is no card 0 here. Choose from card 1.")
    assert there.runs() == []


def test_a_run_that_waits_is_given_another_card(there: Home) -> None:
    call("train", "--name", "a", "--queue")
    last_json(call("queue", "a", "--set", "cards=1", "--json"))
    assert chosen(there, "a") == (1, "1")
    refused(call("queue", "a", "--set", "cards=5"), "There is no card 5 here.")


def test_a_resume_on_a_card_that_is_not_there_changes_nothing(there: Home) -> None:
    there.create_run(preset("demo", cards="1"), "a")
    refused(call("resume", "a", "--cards", "2"), "There is no card 2 here.")
    assert chosen(there, "a") == (1, "1")


def test_cards_of_this_machine_are_not_asked_of_a_cluster(
    there: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codetune_ui.runs.slurm.check", lambda: None)
    refused(
        call("train", "--cards", "0", "--on", "slurm:partition=gpu"),
        "Cards are chosen on this machine, and Slurm gives its own.",
    )
    assert there.runs() == []
