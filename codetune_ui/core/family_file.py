"""A FIM family of a person's own, read from a small JSON file with every field checked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from codetune_ui.core.errors import ConfigError, FamilyError
from codetune_ui.core.registry import FAMILIES, Family, Order

FIELDS = get_type_hints(Family)


def known_family(name: str) -> Family:
    """Return a family of the registry by its name; `ConfigError` when there is none."""
    if name not in FAMILIES:
        raise ConfigError(
            f"There is no FIM family '{name}'.",
            f"Choose auto, a .json file, or one of: {', '.join(FAMILIES)}.",
            field="family",
        )
    return FAMILIES[name]


def chosen_family(setting: str) -> tuple[Family, str]:
    """Return what the setting 'family' names, a family or a `.json` file, and the reason."""
    if not setting.endswith(".json"):
        return known_family(setting), "it is chosen in the settings"
    path = Path(setting).expanduser()
    if not path.is_file():
        raise ConfigError(f"There is no file '{setting}'.", "Check the path.", field="family")
    return read_family(read_object(path), path.name), f"{path.name} is chosen in the settings"


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, {} where there is no file; `FamilyError` for nonsense."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FamilyError(f"The file {path.name} is not JSON.", "Correct it.") from error
    if not isinstance(found, dict):
        raise FamilyError(f"The file {path.name} holds no JSON object.", "Correct it.")
    return found


def read_family(row: Mapping[str, Any], file: str) -> Family:
    """Read {"family": NAME}, or the fields of a `Family`; `file` is named in what is wrong.

    A whole family of one's own:

        {"prefix": "<P>", "suffix": "<S>", "middle": "<M>", "eot": "<E>", "orders": ["psm"]}
    """
    if set(row) == {"family"}:
        return known_family(str(row["family"]))
    given = {"name": "custom", "label": "The model's own format", **row}
    for name, value in given.items():
        given[name] = _checked(name, value, file)
    try:
        family = Family(**given)
    except TypeError as error:
        needed = [field.name for field in dataclasses.fields(Family) if _is_needed(field)]
        raise FamilyError(
            f"The file {file} cannot be used: it lacks {_missing(needed, given)}.",
            f'Write {{"family": NAME}}, or give {", ".join(needed)}.',
        ) from error
    if not family.orders or not set(family.orders) <= set(get_args(Order)):
        raise FamilyError(
            f"The file {file} names no trained order.",
            f"Set orders to some of: {', '.join(get_args(Order))}.",
        )
    return family


def _checked(name: str, value: Any, file: str) -> Any:
    """Return a field's value in the type of `Family`, or refuse it."""
    if name not in FIELDS:
        raise FamilyError(
            f"The file {file} cannot be used: there is no field '{name}'.",
            f"Fields are: {', '.join(FIELDS)}.",
        )
    text, many = FIELDS[name] in (str, str | None), str(FIELDS[name]).startswith("tuple")
    if FIELDS[name] is bool and isinstance(value, bool):
        return value
    if text and ((isinstance(value, str) and value) or (value is None and FIELDS[name] is not str)):
        return value
    if many and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    kind = "true or false" if FIELDS[name] is bool else "a list of texts" if many else "a text"
    raise FamilyError(f"The file {file} cannot be used: {name} must be {kind}.", "Correct it.")


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    plain = field.default is dataclasses.MISSING
    return plain and field.name not in ("name", "label")


def _missing(needed: list[str], given: Mapping[str, Any]) -> str:
    return ", ".join(name for name in needed if name not in given)
