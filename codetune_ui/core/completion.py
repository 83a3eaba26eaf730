"""What is asked of the completion server and what it answers, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from codetune_ui.core.fim import Mode
from codetune_ui.core.neighbours import Neighbour

BASE = "base"  # the name under which the base model is served
ADAPTER_PREFIX = "codetune-"  # holds no family's name: editors guess a template from the name
MAX_TOKENS = 512  # the most one request may write

Finish = Literal["", "stop", "length", "cancelled"]


@dataclass(frozen=True)
class Ask:
    """One hole to fill; without a suffix the prefix is simply continued, left to right.

    temperature 0 is greedy. A seed makes sampling repeatable. With a path, the file is read as one
    of a repository, after the files in `extra` (see `core.context`), which take no more than
    `context_tokens` of the prompt; None is all the room there is.

    no_repeat: it ends where it begins to repeat what follows the hole (see `core.repeat`).
    line_ms: how long it may go on, once it has a whole line. indent: columns that a line must be
    indented at least, or the answer ends before it.
    """

    prefix: str
    suffix: str | None = None
    max_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    path: str = ""
    repo: str = ""
    extra: tuple[Neighbour, ...] = ()
    context_tokens: int | None = None
    no_repeat: bool = False
    line_ms: int | None = None
    indent: int = 0


@dataclass(frozen=True)
class Timings:
    """What an answer took; `ms_first_token` counts from the moment the model was free.

    kept_tokens: those of the prompt that were known already from an earlier one.
    """

    prompt_tokens: int
    tokens: int
    ms_first_token: float
    ms_total: float
    kept_tokens: int = 0

    @property
    def tokens_per_s(self) -> float:
        """Tokens after the first, per second: the rate at which text appears.

        >>> Timings(prompt_tokens=9, tokens=11, ms_first_token=50.0, ms_total=150.0).tokens_per_s
        100.0
        """
        spent = (self.ms_total - self.ms_first_token) / 1000
        return (self.tokens - 1) / spent if spent > 0 and self.tokens > 1 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as the wire has them."""
        return asdict(self)


@dataclass(frozen=True)
class Chunk:
    """A piece of an answer. Only the last one has a `finish`, the timings and the mode.

    stop_word: the stop string of the request at which it ended.
    """

    text: str
    tokens: int = 0
    finish: Finish = ""
    timings: Timings | None = None
    mode: Mode | None = None
    stop_word: str = ""


def adapter_model(run: str) -> str:
    """Return the name under which a run's adapter is served."""
    return ADAPTER_PREFIX + run


def run_of(model: str) -> str | None:
    """Return the run whose adapter a served name means; None for the base.

    >>> [run_of("base"), run_of("codetune-amber-otter")]
    [None, 'amber-otter']
    """
    return None if model == BASE else model.removeprefix(ADAPTER_PREFIX)
