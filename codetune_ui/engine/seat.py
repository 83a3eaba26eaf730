"""Which of the processes of a training this one is, and what it sees of the machine; no torch.

The worker starts the others itself (see `siblings`). Where `accelerate launch`, torchrun or a
cluster's scheduler started all of them, each finds its seat in the environment.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError, MachineError
from codetune_ui.runs.cards import VISIBLE, check_here, environment_of
from codetune_ui.runs.placement import ticket
from codetune_ui.runs.process import SEAT


@dataclass(frozen=True)
class Seat:
    """One process of a training: its number and how many there are, in all and on this machine.

    Number 0 is the run's worker.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    local_size: int = 1

    @property
    def words(self) -> str:
        """How a person counts it."""
        return f"process {self.rank + 1} of {self.size}"

    def environment(self) -> dict[str, str]:
        """Return the variables by which a process that is started finds this seat."""
        values = (self.rank, self.size, self.local, self.local_size)
        return dict(zip(SEAT, map(str, values), strict=True))


def take_seat(environment: MutableMapping[str, str]) -> Seat | None:
    """Take the seat out of the environment that others gave this process; None where there is none.

    Out, because transformers would else wrap the model and divide the rows a second time.

    >>> given = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "PATH": "/bin"}
    >>> take_seat(given), given
    (Seat(rank=3, size=4, local=1, local_size=4), {'PATH': '/bin'})
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return None
    rank, size, local, local_size = (environment.pop(name, None) for name in SEAT)
    here = int(local_size or size or 1)
    return Seat(int(rank or 0), int(size or 1), int(local or rank or 0), here)


def set_environment(seat: Seat, environment: MutableMapping[str, str]) -> None:
    """Set what torch reads when it is loaded: the one card of this process, threads, memory."""
    calm(environment)
    # Passes of many sizes would else leave gaps that no pass fits into.
    environment.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    # A process that sees two GPUs is given torch's DataParallel, which trains wrongly in 4 bit.
    environment[VISIBLE] = card_of(seat, environment)


def calm(environment: MutableMapping[str, str]) -> None:
    """Set, before torch is loaded, how its threads wait and what of it stays away."""
    # Torch and bitsandbytes bring an OpenMP pool each; while one computes, the other must sleep,
    # not spin: on two cores it is the difference between one and fifty milliseconds a layer.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Nothing here is compiled by torch: that bitsandbytes prepares for it costs 1.5 s of imports.
    environment.setdefault("TORCHDYNAMO_DISABLE", "1")


def take_cards(config: Config, environment: MutableMapping[str, str]) -> None:
    """Leave only the cards that a run names to this process and those it starts.

    On a cluster it trains on what that gave it. Raises `ConfigError` when one is not here.
    """
    if config.cards and not ticket():
        check_here(config)
        environment.update(environment_of(config))


def take_first_card(config: Config, environment: MutableMapping[str, str]) -> None:
    """Leave the first card that a run names to what is done with its adapter, if it is here."""
    with suppress(ConfigError):
        take_cards(config.divide_among(1, None), environment)


def sit_alone(config: Config | None, environment: MutableMapping[str, str]) -> None:
    """Set what torch reads in a process that is alone, for something with the adapter of a run."""
    if config is not None:
        take_first_card(config, environment)
    set_environment(Seat(), environment)


def card_of(seat: Seat, environment: Mapping[str, str]) -> str:
    """Return the name of the card of a seat; "" where cards are hidden from this process."""
    named = _named(environment)
    if named is None:
        return str(seat.local)
    if len(named) < 2:  # a scheduler may have given each process its own already
        return "".join(named)
    if seat.local >= len(named):
        raise _too_few(seat, len(named))
    return named[seat.local]


def check_cards(seat: Seat, environment: Mapping[str, str], found: int) -> None:
    """Raise `MachineError` where processes are to be started for more cards than are visible.

    found: cards in this machine. Without any, the processes share the CPU.
    """
    named = _named(environment)
    cards = found if named is None else min(found, len(named))
    if cards and cards < seat.local_size:
        raise _too_few(seat, cards)


def _too_few(seat: Seat, cards: int) -> MachineError:
    are = "1 is" if cards == 1 else f"{cards} are"
    return MachineError(
        f"{seat.local_size} processes need {seat.local_size} GPUs, and {are} here.",
        f"Set processes to {cards}; a run that has begun goes on with "
        f"'python app.py resume RUN --processes {cards}'.",
    )


def _named(environment: Mapping[str, str]) -> list[str] | None:
    given = environment.get(VISIBLE)
    if given is None:
        return None
    return [name for name in given.split(",") if name.strip() and name.strip() != "-1"]
