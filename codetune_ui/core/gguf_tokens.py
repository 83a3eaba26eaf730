"""A byte-level BPE tokenizer as GGUF holds it: tokens, their kinds, merges, and FIM ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.errors import ModelError
from codetune_ui.core.families import FimFormat
from codetune_ui.core.tokens import CodeTokenizer

NORMAL, CONTROL, TEXT, UNUSED = 1, 3, 4, 5  # GGUF's kinds of tokens; TEXT: always one token
HINT = "Export it with --format merged, and convert that with llama.cpp's own converter."

# How a text is cut before merges apply: llama.cpp knows a fixed list of ways by name. The regular
# expressions are those of the models' own tokenizer.json.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


@dataclass(frozen=True)
class GgufTokens:
    """tokens and types by id; merges as "left right"; ids by GGUF's name without "_token_id"."""

    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    cut: str
    """llama.cpp's name of the way a text is cut before merges apply."""
    ids: Mapping[str, int]
    add_bos: bool


def gguf_tokens(folder: Path, format: FimFormat | None, rows: int) -> GgufTokens:
    """Read the tokenizer of a model's folder; `ModelError` when llama.cpp has none like it.

    rows: of the embedding; those beyond the vocabulary become unused tokens.
    """
    description = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer = CodeTokenizer.from_folder(folder)
    model = description.get("model") or {}
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise ModelError("This tokenizer is no byte-level BPE, which GGUF needs here.", HINT)
    vocab: dict[str, int] = dict(model["vocab"])
    added = {int(one["id"]): one for one in description.get("added_tokens") or []}
    vocab |= {str(one["content"]): token_id for token_id, one in added.items()}
    if max(vocab.values()) >= rows:
        raise ModelError(
            f"The tokenizer has more tokens than the model's {rows} embedding rows.", HINT
        )
    by_id = {token_id: token for token, token_id in vocab.items()}
    ids = _ids(tokenizer, format)
    control = frozenset(ids.values())
    return GgufTokens(
        tokens=tuple(by_id.get(token_id, f"[PAD{token_id}]") for token_id in range(rows)),
        types=tuple(_kind(i, by_id, added, tokenizer, control) for i in range(rows)),
        merges=tuple(one if isinstance(one, str) else " ".join(one) for one in model["merges"]),
        cut=cut_of(description.get("pre_tokenizer")),
        ids=ids,
        add_bos=format.bos_id is not None if format else tokenizer.bos_id is not None,
    )


def _kind(
    token_id: int,
    by_id: Mapping[int, str],
    added: Mapping[int, Any],
    tokenizer: CodeTokenizer,
    control: frozenset[int],
) -> int:
    if token_id not in by_id:
        return UNUSED
    if token_id in control or tokenizer.is_control(token_id):
        return CONTROL
    return TEXT if token_id in added else NORMAL


def _ids(tokenizer: CodeTokenizer, format: FimFormat | None) -> dict[str, int]:
    """Return the ids that llama.cpp asks for: where a text begins and ends, and of FIM."""
    found = {"eos": tokenizer.eos_id, "bos": tokenizer.bos_id}
    if format is not None:
        found |= {
            "bos": format.bos_id if format.bos_id is not None else tokenizer.bos_id,
            "eot": format.eot_id,
            "fim_pre": format.prefix_id,
            "fim_suf": format.suffix_id,
            "fim_mid": format.middle_id,
            "fim_pad": format.pad_id,
            "fim_rep": format.repo_id,
            "fim_sep": format.file_id,
        }
    found["padding"] = found.get("fim_pad")
    return {name: token_id for name, token_id in found.items() if token_id is not None}


def cut_of(pre_tokenizer: Mapping[str, Any] | None) -> str:
    """Return llama.cpp's name for a pre-tokenizer; `ModelError` when it has none.

    >>> cut_of({"type": "ByteLevel", "add_prefix_space": False, "use_regex": True})
    'gpt-2'
    """
    steps = _steps(pre_tokenizer or {})
    known: dict[tuple[str, ...], str] = {
        ("gpt-2",): "gpt-2",
        ("digit", "gpt-2"): "starcoder",
        (_QWEN2, "bytes"): "qwen2",
        (_LLAMA3, "bytes"): "llama-bpe",
    }
    if steps not in known:
        raise ModelError("llama.cpp cuts no text the way this tokenizer does.", HINT)
    return known[steps]


def _steps(step: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a pre-tokenizer does, step by step, in short words or as its expression."""
    kind = step.get("type")
    if kind == "Sequence":
        return tuple(word for part in step["pretokenizers"] for word in _steps(part))
    if kind == "ByteLevel" and not step.get("add_prefix_space"):
        return ("gpt-2",) if step.get("use_regex", True) else ("bytes",)
    if kind == "Digits" and step.get("individual_digits"):
        return ("digit",)
    if kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
        pattern = step.get("pattern") or {}
        return (str(pattern.get("Regex", pattern)),)
    return (f"{kind}?",)
