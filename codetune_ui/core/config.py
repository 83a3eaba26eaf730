"""All settings of a run as one checked value: JSON in and out.

Each setting is written once, as a field in settings_code.py or settings_training.py. The form,
`config.json`, `--set name=value`, validation and the table in the README all follow from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from codetune_ui.core.cards import format_cards, parse_cards
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.setting import Setting, check_value, coerce
from codetune_ui.core.settings_code import DEMO, CodeSettings
from codetune_ui.core.settings_training import TrainingSettings
from codetune_ui.core.spans import parse_mix

__all__ = ["DEMO", "NO_STEP", "SCHEMA", "SETTINGS", "Config"]

# Where a run is computed: the same steps come of any number of processes, on any cards, with a
# base that is split over them or not.
NO_STEP = ("processes", "cards", "split_base")
SCHEMA = 1  # raised when a stored config.json of an older app could be read wrongly


# The bases stand last first: a dataclass takes its fields from the last base on, and the form
# and the table show model and data before training.
@dataclass(frozen=True, kw_only=True)
class Config(TrainingSettings, CodeSettings):
    """All that decides a run, with the defaults of the Recommended preset; JSON in and out."""

    def __post_init__(self) -> None:
        for about in SETTINGS.values():
            check_value(about, getattr(self, about.name))
        parse_mix(self.span_mix)
        if self.global_batch_rows % self.micro_batch_rows:
            fitting = self.global_batch_rows - self.global_batch_rows % self.micro_batch_rows
            raise ConfigError(
                f"{self.global_batch_rows} rows per step are not a multiple of "
                f"{self.micro_batch_rows} rows per pass.",
                f"Try {max(fitting, self.micro_batch_rows)} rows per step.",
                field="global_batch_rows",
            )
        self._check_processes(len(parse_cards(self.cards)))
        self._check_split()

    def _check_processes(self, cards: int) -> None:
        """Refuse rows that cannot be divided, and another number of cards than of processes."""
        if cards and cards != self.processes:
            named = "1 card is" if cards == 1 else f"{cards} cards are"
            raise ConfigError(
                f"{named} named for {self.processes} process{'es' * (self.processes > 1)}.",
                f"Set processes to {cards}, or name as many cards as processes.",
                field="processes",
            )
        if self.global_batch_rows % self.processes:
            rows = f"{self.global_batch_rows} row{'' if self.global_batch_rows == 1 else 's'}"
            whole = -(-self.global_batch_rows // self.processes) * self.processes
            name, way = ("cards", "Choose") if cards else ("processes", "Set processes to")
            raise ConfigError(
                f"{rows} per step cannot be divided among {self.processes} {name}.",
                f"{way} {_divisor(self.global_batch_rows, self.processes)}, "
                f"or {'set ' if cards else ''}rows per step to {whole}.",
                field=name,
            )

    def _check_split(self) -> None:
        """Refuse to split a base among one process, and for an engine that needs it whole."""
        if self.split_base != "yes":
            return
        if self.processes == 1:
            raise ConfigError(
                "One process has nobody to split the base with.",
                "Set processes to the number of cards, or split base to auto.",
                field="split_base",
            )
        if self.engine == "fused":
            raise ConfigError(
                "The fused engine needs the whole base on each card.",
                "Set engine to auto, or split base to no.",
                field="split_base",
            )

    def share(self, processes: int) -> Config:
        """Return what each of so many processes trains, as if it were alone.

        >>> one = Config(global_batch_rows=16, micro_batch_rows=8).share(4)
        >>> (one.processes, one.global_batch_rows, one.micro_batch_rows)
        (1, 4, 4)
        """
        rows = self.on_processes(processes).global_batch_rows // processes
        fitting = _divisor(rows, self.micro_batch_rows)
        return self.on_processes(1).replace(global_batch_rows=rows, micro_batch_rows=fitting)

    def on_processes(self, processes: int) -> Config:
        """Return the same training on so many processes, whichever cards they have.

        >>> Config(processes=2, split_base="yes").on_processes(1).split_base
        'auto'
        """
        return self.replace(processes=processes, cards="", split_base=self._split_on(processes))

    def _split_on(self, processes: int) -> str:
        """Return what is left of the wish to split the base: one process has it whole."""
        return "auto" if processes == 1 and self.split_base == "yes" else self.split_base

    def divide_among(
        self, processes: int | None, cards: str | None, split_base: str | None = None
    ) -> Config:
        """Return the same training on other processes or cards, or with the base split or not.

        With the number alone the first of its cards stay, as long as they are enough.

        >>> Config(processes=2, cards="2,3").divide_among(1, None).cards
        '2'
        """
        if cards is None:
            wanted = processes or self.processes
            kept = parse_cards(self.cards)[:wanted]
            processes, cards = wanted, format_cards(kept) if len(kept) == wanted else ""
        processes = processes or max(1, len(parse_cards(cards)))
        split = split_base or self._split_on(processes)
        return self.replace(processes=processes, cards=cards, split_base=split)

    @property
    def grad_accum_steps(self) -> int:
        """Forward passes per optimizer step, of all processes together."""
        return self.global_batch_rows // self.micro_batch_rows

    @property
    def tokens_per_step(self) -> int:
        """Tokens seen by one optimizer step."""
        return self.global_batch_rows * self.max_seq_len

    @property
    def neighbour_tokens(self) -> int:
        """The most tokens that neighbouring files take of a row; 0 where none are read."""
        return self.context_tokens if self.repo_context == "neighbours" else 0

    @property
    def lora_target_modules(self) -> str | list[str]:
        """What PEFT wants: the word all-linear, or a list of module names."""
        names = [name.strip() for name in self.lora_targets.split(",") if name.strip()]
        return "all-linear" if names in ([], ["all-linear"]) else sorted(set(names))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with the schema number."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Read what `to_dict` wrote; unknown names and a newer schema are refused."""
        given = dict(values)
        schema = given.pop("schema", SCHEMA)
        if not isinstance(schema, int) or schema > SCHEMA:
            raise ConfigError(
                f"This config was written by a newer CodeTune UI (schema {schema}).",
                "Update the app.",
            )
        unknown = sorted(set(given) - set(SETTINGS))
        if unknown:
            raise ConfigError(
                f"There is no setting '{unknown[0]}'.", "Remove it.", field=unknown[0]
            )
        return cls(**{name: coerce(SETTINGS[name], value) for name, value in given.items()})

    def replace(self, **changes: Any) -> Config:
        """Return a copy with some settings changed, checked again."""
        return Config.from_dict({**dataclasses.asdict(self), **changes})


def _divisor(number: int, most: int) -> int:
    """Return the largest divisor of a number that is not above `most`."""
    return next(n for n in range(min(number, most), 0, -1) if number % n == 0)


SETTINGS: dict[str, Setting] = {}  # filled below, once the class exists
_KINDS = get_type_hints(Config)
for _field in dataclasses.fields(Config):
    SETTINGS[_field.name] = Setting(
        name=_field.name, kind=_KINDS[_field.name], default=_field.default, **_field.metadata
    )
