"""Which cards of a machine train a run, as a person names them: their numbers, with commas."""

from __future__ import annotations

from collections.abc import Iterable

from codetune_ui.core.errors import ConfigError


def parse_cards(text: str) -> tuple[int, ...]:
    """Read the numbers of cards; none where the choice is left to the machine.

    >>> parse_cards("0, 2"), parse_cards("")
    ((0, 2), ())
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    for word in words:
        if not (word.isascii() and word.isdecimal() and len(word) < 4):
            raise ConfigError(
                f"'{word}' is no number of a card.",
                "Write their numbers in nvidia-smi with commas between: 0,1.",
                field="cards",
            )
    numbers = tuple(map(int, words))
    if len(set(numbers)) < len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise ConfigError(f"Card {twice} is named twice.", "Name each one once.", field="cards")
    return numbers


def format_cards(numbers: Iterable[int]) -> str:
    """Write what `parse_cards` reads.

    >>> format_cards([0, 2])
    '0,2'
    """
    return ",".join(map(str, numbers))


def cards_named(numbers: Iterable[int]) -> str:
    """Name cards in a sentence.

    >>> cards_named([1]), cards_named([0, 1, 3])
    ('card 1', 'cards 0, 1 and 3')
    """
    *some, last = map(str, numbers)
    return f"cards {', '.join(some)} and {last}" if some else f"card {last}"
