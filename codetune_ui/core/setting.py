"""What one setting is: its type, words and limits, and how a given value is read and refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from codetune_ui.core.errors import ConfigError

Level = Literal["simple", "advanced"]
Group = Literal["model", "data", "fim", "lora", "training", "precision"]

GROUP_LABELS: dict[Group, str] = {
    "model": "Model",
    "data": "Data",
    "fim": "Fill in the middle",
    "lora": "LoRA",
    "training": "Training",
    "precision": "Precision and memory",
}


@dataclass(frozen=True)
class Setting:
    """What a form, a command line or a document needs to know about one field of `Config`."""

    name: str
    kind: type
    default: Any
    label: str
    help: str
    group: Group
    level: Level
    low: float | None
    high: float | None
    choices: tuple[str, ...]


def setting(
    default: Any,
    label: str,
    help: str,
    *,
    group: Group,
    level: Level = "advanced",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one field of `Config` with everything that is shown about it."""
    about = {
        "label": label,
        "help": help,
        "group": group,
        "level": level,
        "low": low,
        "high": high,
        "choices": choices,
    }
    return field(default=default, metadata=about)


def coerce(about: Setting, value: Any) -> Any:
    """Turn a form's or a command line's value into the setting's type, or refuse it.

    >>> steps = Setting("steps", int, 1, "Steps", "", "training", "simple", 1, 9, ())
    >>> coerce(steps, "7")
    7
    """
    if about.kind is bool:
        return _to_bool(about, value)
    if about.kind is str:
        return str(value).strip()
    if isinstance(value, bool) or value is None:
        raise _not_a(about, value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _not_a(about, value) from None
    if about.kind is int:
        if not math.isfinite(number) or number != int(number):
            raise _not_a(about, value)
        return int(number)
    return number


def _to_bool(about: Setting, value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if str(value).strip().lower() not in words:
        raise _not_a(about, value)
    return words[str(value).strip().lower()]


def _not_a(about: Setting, value: Any) -> ConfigError:
    kind = {bool: "yes or no", int: "a whole number", float: "a number"}[about.kind]
    return ConfigError(
        f"{about.label} must be {kind}, not {value!r}.", f"Try {about.default}.", field=about.name
    )


def check_value(about: Setting, value: Any) -> None:
    """Raise `ConfigError` when a value of the right type is outside the setting's limits."""
    if about.choices and value not in about.choices:
        raise ConfigError(
            f"{about.label} cannot be '{value}'.",
            f"Choose one of: {', '.join(about.choices)}.",
            field=about.name,
        )
    if about.kind is str and any(ord(char) < 32 for char in value):
        raise ConfigError(
            f"{about.label} holds a control character.", "Remove it.", field=about.name
        )
    if about.low is None or about.high is None:
        return
    if not about.low <= value <= about.high:  # NaN fails here too
        raise ConfigError(
            f"{about.label} is {value:g}, outside {about.low:g} to {about.high:g}.",
            f"Try {about.default:g}.",
            field=about.name,
        )


def check_names(
    given: Iterable[str], known: Iterable[str], *, field: str, noun: str, often: Sequence[str]
) -> frozenset[str]:
    """Return the names of a list setting, all in small letters and all known.

    Raises `ConfigError` with the nearest names for the first unknown one; `often` stands in
    where nothing is near.

    >>> check_names(["mit"], ["MIT", "ISC"], field="licences", noun="licence", often=["MIT"])
    frozenset({'mit'})
    """
    spelled = {name.lower(): name for name in known}
    names = list(given)
    for name in names:
        if name not in spelled:
            near = [spelled[one] for one in get_close_matches(name, spelled, cutoff=0.5)]
            raise ConfigError(
                f"There is no {noun} '{name}'.",
                f"Did you mean {' or '.join(near or often)}?",
                field=field,
            )
    return frozenset(names)
