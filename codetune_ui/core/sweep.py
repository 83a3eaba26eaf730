"""Several values of one setting: one checked set of settings per value, each with its name."""

from __future__ import annotations

import re

from codetune_ui.core.config import SETTINGS, Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.setting import coerce

MOST = 50


def variants(config: Config, setting: str, values: str) -> dict[str, Config]:
    """Return one config per value, by what tells its run's name from the others'.

    values: with commas between, or with semicolons where a value has commas. Raises `ConfigError`
    for an unknown setting, a value that it refuses, one value alone, or the same twice.

    >>> list(variants(Config(), "learning_rate", "1e-4, 0.002"))
    ['learning_rate-0.0001', 'learning_rate-0.002']
    """
    if setting not in SETTINGS:
        raise ConfigError(f"There is no setting '{setting}'.", f"Known: {', '.join(SETTINGS)}.")
    typed = [text.strip() for text in values.split(";" if ";" in values else ",")]
    read = [coerce(SETTINGS[setting], text) for text in typed if text]
    if not 2 <= len(read) <= MOST:
        raise ConfigError(
            f"{SETTINGS[setting].label} is to be tried with 2 to {MOST} values, not {len(read)}.",
            "Write them with commas between, or semicolons where a value has commas.",
            field=setting,
        )
    if len(set(read)) < len(read):
        raise ConfigError(
            f"{SETTINGS[setting].label} has one value twice.", "Leave one away.", field=setting
        )
    found = [config.replace(**{setting: value}) for value in read]
    return dict(zip(_suffixes(setting, read), found, strict=True))


def _suffixes(setting: str, values: list[object]) -> list[str]:
    short = setting[:24].rstrip("_")
    plain = [re.sub(r"[^a-z0-9.]+", "-", _text(value).lower()).strip("-.") for value in values]
    fits = all(0 < len(text) <= 24 for text in plain) and len(set(plain)) == len(plain)
    told = plain if fits else [str(number) for number in range(1, len(values) + 1)]
    return [f"{short}-{text}" for text in told]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
