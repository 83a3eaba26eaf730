"""Which family a model belongs to, its tokens as ids, and the checks that refuse a wrong one.

A model that was pretrained with one order collapses in another, so the order is part of the
format. Tokens are found by their exact text, never by position, and where several families
share their tokens the model's type and its repository's name decide, or the person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.config import Config
from codetune_ui.core.errors import FamilyError
from codetune_ui.core.family_file import chosen_family, read_family, read_object
from codetune_ui.core.registry import FAMILIES, Family, Order
from codetune_ui.core.tokens import CONTROL_TEXT, CodeTokenizer

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
    repo_id: int | None = None
    file_id: int | None = None
    opening_ids: tuple[int, ...] = ()
    """Before the whole prompt, after BOS: the head of a chat turn, where a family has one."""
    closing_ids: tuple[int, ...] = ()
    """Between the middle sentinel and the middle."""

    @property
    def sentinel_ids(self) -> tuple[int, ...]:
        """Ids of the tokens that open a part."""
        middle = () if self.middle_id is None else (self.middle_id,)
        return (self.prefix_id, self.suffix_id, *middle)

    @property
    def head_ids(self) -> tuple[int, ...]:
        """Ids that stand before everything else: BOS, and the head of a chat turn."""
        return (() if self.bos_id is None else (self.bos_id,)) + self.opening_ids

    @property
    def frame_tokens(self) -> int:
        """Tokens of a chat turn around the prompt."""
        return len(self.opening_ids) + len(self.closing_ids)

    @property
    def fixed_tokens(self) -> int:
        """Tokens of a prompt that are not the person's text."""
        return (self.bos_id is not None) + len(self.sentinel_ids) + self.frame_tokens


def find_format(tokenizer: CodeTokenizer, folder: Path, config: Config) -> FimFormat | None:
    """Return the FIM format of the model in a folder; None when trained left to right only.

    The setting 'family' decides, then a `fim.json` beside the model, then the tokens themselves.
    """
    if config.left_to_right:
        return None
    model = read_object(folder / "config.json")
    if config.family != "auto":
        family, reason = chosen_family(config.family)
    elif declared := read_object(folder / "fim.json"):
        family, reason = read_family(declared, "fim.json"), "the model's fim.json says so"
    else:
        family, reason = _detect(tokenizer, _kinds(model), _names(config, folder, model))
    return _resolve(family, tokenizer, _embedding_rows(model), reason)


def evidence(format: FimFormat) -> str:
    """Say in one line which family it is and why.

    StarCoder: <fim_prefix> 1, <fim_suffix> 3, <fim_middle> 2; the model is a gpt_bigcode.
    """
    ids = zip(format.family.sentinels, format.sentinel_ids, strict=True)
    tokens = ", ".join(f"{text} {token_id}" for text, token_id in ids)
    return f"{format.family.label}: {tokens}; {format.reason}."


# --- which family


def _kinds(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a model's config.json says it is, the most exact first."""
    kind = str(model.get("model_type") or "")
    layers = model.get("n_layer") or model.get("num_hidden_layers")
    return (f"{kind}/{layers}", kind) if kind else ()


def _names(config: Config, folder: Path, model: Mapping[str, Any]) -> list[str]:
    """Return the names a model goes by, the repository's without its owner."""
    given = (config.base_model, str(model.get("_name_or_path") or ""), folder.name)
    return [re.split(r"[/\\]", name.rstrip("/\\"))[-1].lower() for name in given]


def _detect(
    tokenizer: CodeTokenizer, kinds: Sequence[str], names: Sequence[str]
) -> tuple[Family, str]:
    """Find the one family whose tokens are all there; type and name separate equal ones."""
    found = [family for family in FAMILIES.values() if _has_tokens(tokenizer, family)]
    if not found:
        raise FamilyError("This tokenizer has no FIM tokens.", LEFT_TO_RIGHT_HINT)
    typed = _of_kind(found, kinds)
    named = [family for family in found if family.names and _named(family, names)]
    if len(typed) == 1 and (not named or typed[0] in named):
        return typed[0], f"the model is a {kinds[-1]}"
    both = [family for family in named if not typed or family in typed]
    if len(both) == 1:
        return both[0], f"the model's name says {both[0].label}"
    if len(found) == 1 and not _shares_tokens(found[0]):
        return found[0], "no other family has these tokens"
    raise FamilyError(
        f"These FIM tokens fit more than one family: {', '.join(f.name for f in found)}.",
        "Set 'FIM family' (family) to the one in the model's card.",
    )


def _of_kind(found: Sequence[Family], kinds: Sequence[str]) -> list[Family]:
    """Return the families of a model's type; a type with its number of layers tells more."""
    for kind in kinds:
        typed = [family for family in found if kind in family.model_types]
        if typed:
            return typed
    return []


def _named(family: Family, names: Sequence[str]) -> bool:
    return any(re.search(family.names, name) for name in names)


def _has_tokens(tokenizer: CodeTokenizer, family: Family) -> bool:
    asked = (*family.sentinels, family.eot, family.bos, *_control(family))
    texts = [text for text in asked if text not in (None, "eos", "auto")]
    return all(tokenizer.token_id(text) is not None for text in texts if text)


def _control(family: Family) -> list[str]:
    return [text for text in (*family.opening, *family.closing) if CONTROL_TEXT.fullmatch(text)]


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
        repo_id=tokenizer.token_id(family.repo) if family.repo else None,
        file_id=tokenizer.token_id(family.file) if family.file else None,
        opening_ids=_frame(family.opening, family, tokenizer),
        closing_ids=_frame(family.closing, family, tokenizer),
    )
    _check_ids(format, embedding_rows)
    _check_unwritable(format, tokenizer)
    return format


def _required(token: str, family: Family, tokenizer: CodeTokenizer) -> int:
    token_id = tokenizer.token_id(token)
    if token_id is None or token_id == tokenizer.unk_id:
        raise FamilyError(
            f"The tokenizer has no token {token}, which {family.label} needs.",
            f"Set 'FIM family' (family) to another one. {LEFT_TO_RIGHT_HINT}",
        )
    return token_id


def _frame(texts: Sequence[str], family: Family, tokenizer: CodeTokenizer) -> tuple[int, ...]:
    """Return the ids of a chat turn's head or middle: control tokens, and encoded text."""
    ids: list[int] = []
    for text in texts:
        control = CONTROL_TEXT.fullmatch(text)
        ids += [_required(text, family, tokenizer)] if control else tokenizer.encode(text)
    return tuple(ids)


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
    context = (format.repo_id, format.file_id)
    others = (format.bos_id, format.pad_id, *context, *format.opening_ids, *format.closing_ids)
    used = [*ids, *(i for i in others if i is not None)]
    if embedding_rows is not None and max(used) >= embedding_rows:
        raise FamilyError(
            f"FIM token {max(used)} is outside the model's {embedding_rows} embedding rows.",
            LEFT_TO_RIGHT_HINT,
        )


def _check_unwritable(format: FimFormat, tokenizer: CodeTokenizer) -> None:
    """Refuse a sentinel that a source file could write: it would open a hole of its own."""
    family = format.family
    for text, token_id in zip(family.sentinels, format.sentinel_ids, strict=True):
        if token_id in tokenizer.encode(text):
            raise FamilyError(
                f"Code that spells {text} would become the token of {family.label}.",
                'Mark it as "special": true among added_tokens in tokenizer.json.',
            )


def _embedding_rows(model: Mapping[str, Any]) -> int | None:
    text_part = model.get("text_config")
    rows = model.get("vocab_size") or (text_part or {}).get("vocab_size")
    return rows if isinstance(rows, int) else None
