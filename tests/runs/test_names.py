from __future__ import annotations

import random

import pytest

from codetune_ui.core.errors import RunError
from codetune_ui.runs.names import ADJECTIVES, ANIMALS, check_name, propose_name


@pytest.mark.parametrize("name", ["a", "calm-otter", "run_2.1", "0", "x" * 64])
def test_a_usable_name_is_taken_as_it_is(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *["", ".", "..", ".hidden", "../up", "a/b", "a\\b", "Big", "a b", "end.", "nul"],
        *["com1.txt", "x" * 65, "new\nline", "<script>", "$(rm)", "é"],
    ],
)
def test_a_name_that_is_no_plain_folder_name_is_refused(name: str) -> None:
    with pytest.raises(RunError):
        check_name(name)


def test_a_refused_name_comes_with_a_proposal() -> None:
    with pytest.raises(RunError, match="for example 'my-first-run'"):
        check_name("My first run!")


def test_every_proposed_name_is_usable() -> None:
    for adjective in ADJECTIVES.split():
        for animal in ANIMALS.split():
            check_name(f"{adjective}-{animal}")


def test_a_proposed_name_is_two_words() -> None:
    assert propose_name(random.Random(0)).count("-") == 1
