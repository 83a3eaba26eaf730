"""Which family a model belongs to, its tokens as ids, and the checks that refuse a wrong one.

A model that was pretrained with one order collapses in another, so the order is part of the
format. Tokens are found by their exact text, never by position, and where several families
share their tokens the model's type decides, or the person.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError, FamilyError
from codetune_ui.core.registry import FAMILIES, Family, Order
from codetune_ui.core.tokens import CodeTokenizer

__all__ = ["FAMILIES", "Family", "FimFormat", "Order", "evidence", "find_format"]

LEFT_TO_RIGHT_HINT = "Choose a model with FIM tokens, or switch on 'Train left to right only'."


@dataclass(frozen=True)
class FimFormat:
    """A family's tokens as ids of one tokenizer; `reason` says how the family was found."""

    family: Family
    prefix_id: int
    suffix_id: int
    middle_id: int | None
    eot_id: int
    bos_id: int | None
    pad_id: int | None
    stop_ids: tuple[int, ...]
    reason: str

    @property
    def sentinel_ids(self) -> tuple[int, ...]:
        """Ids of the tokens that open a part."""
        middle = () if self.middle_id is None else (self.middle_id,)
        return (self.prefix_id, self.suffix_id, *middle)


def find_format(tokenizer: CodeTokenizer, folder: Path, config: Config) -> FimFormat | None:
    """Return the FIM format of the model in a folder; None when trained left to right only.

    The setting 'family' decides, then a `fim.json` beside the model, then the tokens themselves.
    """
    if config.left_to_right:
        return None
    model = _read_json(folder / "config.json")
    model_type = str(model.get("model_type") or "")
    if config.family != "auto":
        family, reason = _known(config.family, "family"), "it is chosen in the settings"
    elif declared := _read_json(folder / "fim.json"):
        family, reason = _declared(declared), "the model's fim.json says so"
    else:
        family, reason = _detect(tokenizer, model_type)
    return _resolve(family, tokenizer, _embedding_rows(model), reason)


def evidence(format: FimFormat) -> str:
    """Say in one line which family it is and why.

    StarCoder: <fim_prefix> 1, <fim_suffix> 3, <fim_middle> 2; the model is a gpt_bigcode.
    """
    ids = zip(format.family.sentinels, format.sentinel_ids, strict=True)
    tokens = ", ".join(f"{text} {token_id}" for text, token_id in ids)
    return f"{format.family.label}: {tokens}; {format.reason}."


# --- which family


def _known(name: str, field: str) -> Family:
    if name not in FAMILIES:
        raise ConfigError(
            f"There is no FIM family '{name}'.",
            f"Choose auto or one of: {', '.join(FAMILIES)}.",
            field=field,
        )
    return FAMILIES[name]


def _declared(row: Mapping[str, Any]) -> Family:
    """Read `fim.json`: {"family": NAME}, or the fields of a `Family` of its own."""
    if set(row) == {"family"}:
        return _known(str(row["family"]), "family")
    fields = {field.name for field in dataclasses.fields(Family)}
    given = {"name": "custom", "label": "The model's own format", **row}
    given = {
        key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    try:
        family = Family(**given)
    except TypeError as error:
        raise FamilyError(
            "The model's fim.json cannot be used.",
            f'Write {{"family": NAME}}, or give {", ".join(sorted(fields))}.',
        ) from error
    if not family.orders or not set(family.orders) <= set(get_args(Order)):
        raise FamilyError(
            "The model's fim.json names no trained order.",
            f"Set orders to some of: {', '.join(get_args(Order))}.",
        )
    return family


def _detect(tokenizer: CodeTokenizer, model_type: str) -> tuple[Family, str]:
    """Find the one family whose tokens are all there; the model's type separates equal ones."""
    found = [family for family in FAMILIES.values() if _has_tokens(tokenizer, family)]
    if not found:
        raise FamilyError("This tokenizer has no FIM tokens.", LEFT_TO_RIGHT_HINT)
    typed = [family for family in found if model_type in family.model_types]
    if len(typed) == 1:
        return typed[0], f"the model is a {model_type}"
    if len(found) == 1 and not _shares_tokens(found[0]):
        return found[0], "no other family has these tokens"
    names = ", ".join(family.name for family in found)
    raise FamilyError(
        f"These FIM tokens fit more than one family: {names}.",
        "Set 'FIM family' (family) to the one in the model's card.",
    )


def _has_tokens(tokenizer: CodeTokenizer, family: Family) -> bool:
    asked = (*family.sentinels, family.eot, family.bos)
    texts = [text for text in asked if text not in (None, "eos", "auto")]
    return all(tokenizer.token_id(text) is not None for text in texts if text)


def _shares_tokens(family: Family) -> bool:
    same = [f for f in FAMILIES.values() if (f.sentinels, f.eot) == (family.sentinels, family.eot)]
    return len(same) > 1


# --- its tokens as ids


def _resolve(
    family: Family, tokenizer: CodeTokenizer, embedding_rows: int | None, reason: str
) -> FimFormat:
    """Look every token up and check it, or raise `FamilyError`."""
    eot = tokenizer.eos_id if family.eot == "eos" else _required(family.eot, family, tokenizer)
    if eot is None:
        raise FamilyError(
            "The tokenizer names no token that ends a document.",
            "Add eos_token to the model's tokenizer_config.json.",
        )
    format = FimFormat(
        family=family,
        prefix_id=_required(family.prefix, family, tokenizer),
        suffix_id=_required(family.suffix, family, tokenizer),
        middle_id=None if family.middle is None else _required(family.middle, family, tokenizer),
        eot_id=eot,
        bos_id=_start(family, tokenizer),
        pad_id=tokenizer.token_id(family.pad) if family.pad else None,
        stop_ids=_stops(family, tokenizer, eot),
        reason=reason,
    )
    _check_ids(format, embedding_rows)
    return format


def _required(token: str, family: Family, tokenizer: CodeTokenizer) -> int:
    token_id = tokenizer.token_id(token)
    if token_id is None or token_id == tokenizer.unk_id:
        raise FamilyError(
            f"The tokenizer has no token {token}, which {family.label} needs.",
            f"Set 'FIM family' (family) to another one. {LEFT_TO_RIGHT_HINT}",
        )
    return token_id


def _start(family: Family, tokenizer: CodeTokenizer) -> int | None:
    if family.bos is None:
        return None
    return tokenizer.bos_id if family.bos == "auto" else _required(family.bos, family, tokenizer)


def _stops(family: Family, tokenizer: CodeTokenizer, eot: int) -> tuple[int, ...]:
    found = [eot if stop == "eos" else tokenizer.token_id(stop) for stop in family.stops]
    return tuple(dict.fromkeys([eot, *(token_id for token_id in found if token_id is not None)]))


def _check_ids(format: FimFormat, embedding_rows: int | None) -> None:
    ids = [*format.sentinel_ids, format.eot_id]
    if len(set(ids)) < len(ids):
        raise FamilyError(
            f"Two FIM tokens of {format.family.label} are one and the same in this tokenizer.",
            LEFT_TO_RIGHT_HINT,
        )
    used = [*ids, *(i for i in (format.bos_id, format.pad_id) if i is not None)]
    if embedding_rows is not None and max(used) >= embedding_rows:
        raise FamilyError(
            f"FIM token {max(used)} is outside the model's {embedding_rows} embedding rows.",
            LEFT_TO_RIGHT_HINT,
        )


def _embedding_rows(model: Mapping[str, Any]) -> int | None:
    text_part = model.get("text_config")
    rows = model.get("vocab_size") or (text_part or {}).get("vocab_size")
    return rows if isinstance(rows, int) else None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FamilyError(f"The model's {path.name} is not JSON.", "Correct it.") from error
    return found if isinstance(found, dict) else {}
