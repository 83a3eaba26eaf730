"""The cards of this machine by their own tool: what is free, who holds it, and which may train.

nvidia-smi is asked, not torch: it costs 30-100 ms and loads nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from codetune_ui.core.cards import cards_named, format_cards, parse_cards
from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
ANSWER_S = 10


@dataclass(frozen=True)
class Program:
    """A program that holds memory of a card, of this app or not."""

    pid: int
    name: str
    gib: float


@dataclass(frozen=True)
class Card:
    """One accelerator; memory in GiB. programs: who holds some of it, the most first."""

    name: str
    used_gib: float
    total_gib: float
    programs: tuple[Program, ...] = ()
    number: int = 0
    uuid: str = ""

    @property
    def free_gib(self) -> float:
        """What nobody holds."""
        return round(max(0.0, self.total_gib - self.used_gib), 1)


def tool() -> str:
    """Return where nvidia-smi is, "" when this machine has none."""
    return shutil.which("nvidia-smi") or ""


def ask_cards(tool: str) -> tuple[Card, ...]:
    """Ask the tool once for all cards; none when there is no card or no answer."""
    wanted = "--query-gpu=index,uuid,name,memory.used,memory.total"
    cards = read_cards(_answer(tool, wanted)) if tool else ()
    if not cards:
        return ()
    asked = "--query-compute-apps=gpu_uuid,pid,process_name,used_memory"
    programs = read_programs(_answer(tool, asked))
    return tuple(replace(card, programs=programs.get(card.uuid, ())) for card in cards)


def cards_here(environment: Mapping[str, str] = os.environ) -> tuple[Card, ...]:
    """Return the cards that a training started from here may use, as they are now."""
    return visible(ask_cards(tool()), environment)


def visible(cards: Sequence[Card], environment: Mapping[str, str]) -> tuple[Card, ...]:
    """Return the cards that an environment leaves to its programs, in its order."""
    given = environment.get(VISIBLE)
    if given is None:
        return tuple(cards)
    words = [word.strip() for word in given.split(",")]
    return tuple(card for word in words for card in cards if _is_meant(card, word))


def _is_meant(card: Card, word: str) -> bool:
    return word == str(card.number) or (word.startswith("GPU-") and card.uuid.startswith(word))


def chosen(config: Config, cards: Sequence[Card]) -> tuple[Card, ...]:
    """Return those of the cards that a run trains on: the ones it names, or else the first."""
    numbers = parse_cards(config.cards)
    if not numbers:
        return tuple(cards[: config.processes])
    return tuple(card for number in numbers for card in cards if card.number == number)


def check_cards(config: Config, cards: Sequence[Card]) -> None:
    """Raise `ConfigError` when a run wants other cards than there are, or more."""
    there = [card.number for card in cards]
    missing = [number for number in parse_cards(config.cards) if number not in there]
    if missing:
        way = f"Choose from {cards_named(there)}." if cards else "Leave cards empty."
        raise ConfigError(f"There is no card {missing[0]} here.", way, field="cards")
    if cards and config.processes > len(cards):
        are = "1 is" if len(cards) == 1 else f"{len(cards)} are"
        raise ConfigError(
            f"{config.processes} processes need {config.processes} cards, and {are} here.",
            f"Set processes to {len(cards)}.",
            field="processes",
        )


def check_here(config: Config) -> None:
    """Raise what `check_cards` does of this machine's cards; asks only where it matters."""
    if config.cards or config.processes > 1:
        check_cards(config, cards_here())


def environment_of(config: Config) -> dict[str, str]:
    """Return the variables by which a process sees the cards that a run names, and no others."""
    numbers = parse_cards(config.cards)
    # CUDA counts the fastest card first, unless it is told to count as nvidia-smi does.
    return {VISIBLE: format_cards(numbers), ORDER: "PCI_BUS_ID"} if numbers else {}


def read_cards(text: str) -> tuple[Card, ...]:
    """Read the tool's lines of cards; one that it cannot tell the memory of is left out.

    >>> read_cards("0, GPU-5c, NVIDIA H200, 11674, 143771")
    (Card(name='H200', used_gib=11.4, total_gib=140.4, programs=(), number=0, uuid='GPU-5c'),)
    """
    found = []
    for line in text.splitlines():
        with suppress(ValueError):
            number, uuid, rest = line.split(",", 2)
            name, used_mib, total_mib = rest.rsplit(",", 2)
            short = name.strip().removeprefix("NVIDIA ").removeprefix("GeForce ")
            used, total = _gib(used_mib), _gib(total_mib)
            found.append(Card(short, used, total, number=int(number), uuid=uuid.strip()))
    return tuple(found)


def read_programs(text: str) -> dict[str, tuple[Program, ...]]:
    """Read the tool's lines of programs, by card; those it cannot tell about are left out.

    >>> read_programs("GPU-5c, 42, /bin/python3, 2048\\nGPU-5c, 7, [Not Found], [N/A]\\n")
    {'GPU-5c': (Program(pid=42, name='python3', gib=2.0),)}
    """
    found: dict[str, list[Program]] = {}
    for line in text.splitlines():
        with suppress(ValueError):
            uuid, pid, rest = line.split(",", 2)
            path, _, mib = rest.rpartition(",")
            name = re.split(r"[\\/]", path.strip())[-1]
            found.setdefault(uuid.strip(), []).append(Program(int(pid), name, _gib(mib)))
    return {
        uuid: tuple(sorted(some, key=lambda program: -program.gib)) for uuid, some in found.items()
    }


def _gib(mib: str) -> float:
    return round(float(mib) / 1024, 1)


def _answer(tool: str, question: str) -> str:
    query = [tool, question, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=ANSWER_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
