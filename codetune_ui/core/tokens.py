"""The model's own tokenizer, verbatim; control text in code stays text.

One `tokenizer.json` becomes two encoders and one decoder. The encoders have lost every control
token: a source file that spells `<fim_prefix>` is taught as seven characters of text, never as
the sentinel. Ids of sentinels are inserted by `fim.py`, and the decoder knows them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer

from codetune_ui.core.errors import ModelError
from codetune_ui.core.parity import check_parity

# `<|im_end|>`, `<fim_prefix>`, `<｜fim▁hole｜>`, `[PREFIX]`, `▁<PRE>`; not `<`, `[]` or `   `
CONTROL_TEXT = re.compile(r"▁?<[^<>\s]+>|\[[A-Z_]+\]|<\[[^\[\]\s]+\]>")
SURROGATE = re.compile("[\ud800-\udfff]")


class CodeTokenizer:
    """Encode code as the model was taught it, without any token that steers the model."""

    def __init__(self, description: Mapping[str, Any], eos_token: str | int | None = None) -> None:
        self._decoder = Tokenizer.from_str(json.dumps(description))
        inert = _without_control(description, self._decoder.get_added_tokens_decoder())
        bare = _without_dummy_space(inert)
        self._decoder.no_truncation()
        self._decoder.no_padding()
        self._inert = Tokenizer.from_str(json.dumps(inert))
        self._bare = self._inert if bare == inert else Tokenizer.from_str(json.dumps(bare))
        self._control = {token: self._id(token) for token in _control_tokens(description)}
        self._control_ids = frozenset(id for id in self._control.values() if id is not None)
        self._style = json.dumps(description.get("decoder"))
        self._eos = eos_token
        adds_space = self._bare is not self._inert
        self._drops_space = adds_space and self._decoder.decode(self._verbatim("x")) != "x"
        if self._drops_space:
            self._inert = self._bare  # its decoder would not take the added space away again
        self.unk_id = self._id(description.get("model", {}).get("unk_token") or "")
        """Id of the unknown token, which no sentinel may be."""

    @classmethod
    def from_folder(cls, folder: Path) -> CodeTokenizer:
        """Read `tokenizer.json` of a model's folder and check that it is read verbatim.

        `ModelError` when there is none, or when it and ours read a text differently.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(
                f"The folder '{folder.name}' has no tokenizer.json.",
                "Choose a model that ships a fast tokenizer.",
            )
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
            found = cls(description, _end_of_document(folder))
        except Exception as error:  # tokenizers raises the bare class
            raise ModelError(
                f"The tokenizer in '{folder.name}' cannot be read: {error}.",
                "Download the model again.",
            ) from error
        if not found._drops_space:
            steer = {t: id for t, id in found._control.items() if id not in (None, found.unk_id)}
            check_parity(found.encode, found._verbatim, steer, folder.name)
        return found

    def _verbatim(self, text: str) -> list[int]:
        return list(self._decoder.encode(text, add_special_tokens=False).ids)

    # --- text to ids

    def encode(self, text: str, *, continues: bool = False) -> list[int]:
        """Return the ids of a text without BOS or EOS; control text becomes ordinary tokens.

        With `continues`, the text goes on from other text: a SentencePiece tokenizer puts no
        dummy space before it.
        """
        return self.encode_batch([text], continues=continues)[0]

    def encode_batch(self, texts: Sequence[str], *, continues: bool = False) -> list[list[int]]:
        """Encode many texts at once, which is quicker than one by one on more than one core."""
        encoder = self._bare if continues else self._inert
        try:
            found = encoder.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:  # a lone surrogate is not Unicode text; no tokenizer can hold it
            clean = [SURROGATE.sub("\ufffd", text) for text in texts]
            found = encoder.encode_batch_fast(clean, add_special_tokens=False)
        return [encoding.ids for encoding in found]

    # --- ids to text

    def decode(
        self, ids: Sequence[int], *, skip_control: bool = False, continues: bool = False
    ) -> str:
        """Return the text of ids; control tokens appear as they are written, or not at all.

        With `continues`, a leading space of the first token is kept.
        """
        kept = [id for id in ids if not (skip_control and id in self._control_ids)]
        if continues and self.has_dummy_space:
            return str(self._decoder.decode([*self._anchor, *kept], skip_special_tokens=False))[1:]
        return str(self._decoder.decode(kept, skip_special_tokens=False))

    @property
    def has_dummy_space(self) -> bool:
        """Say whether a text that continues no other is encoded with a space before it."""
        return self._bare is not self._inert

    @cached_property
    def _anchor(self) -> list[int]:
        return list(self._inert.encode("x", add_special_tokens=False).ids)

    def token_text(self, token_id: int) -> str:
        r"""Return one token as text; bytes that are no whole character are written `\xNN`."""
        token = self._decoder.id_to_token(token_id)
        if token is None:
            return ""
        if token_id in self._control_ids:
            return str(token)
        return _token_bytes(token, self._style).decode("utf-8", errors="backslashreplace")

    def begins_character(self, token_id: int) -> bool:
        """Say whether a token starts at a character, not inside one of several bytes."""
        spelled = _token_bytes(self._decoder.id_to_token(token_id) or "", self._style)
        return not spelled or spelled[0] & 0xC0 != 0x80

    @cached_property
    def token_lengths(self) -> NDArray[np.int32]:
        """UTF-8 bytes of every token, by id: where each token of a text begins, without offsets."""
        lengths = [0] * self.vocab_size
        byte_level = '"ByteLevel"' in self._style
        for token, token_id in self._decoder.get_vocab(with_added_tokens=True).items():
            inert = token_id not in self._control_ids
            if inert and byte_level and _ALPHABET.issuperset(token):
                lengths[token_id] = len(token)  # most of 50,000; a row waits for them
            else:
                lengths[token_id] = len(_token_bytes(token, self._style if inert else ""))
        return np.array(lengths, dtype=np.int32)

    # --- the vocabulary

    def _id(self, token: str) -> int | None:
        found: int | None = self._decoder.token_to_id(token)
        return found

    def token_id(self, token: str) -> int | None:
        """Return the id of a token by its exact text; None when the vocabulary lacks it."""
        return self._id(token)

    def is_control(self, token_id: int) -> bool:
        """Say whether a token steers the model instead of standing for text."""
        return token_id in self._control_ids

    @cached_property
    def vocab_size(self) -> int:
        """One more than the highest id."""
        return max(self._decoder.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def eos_id(self) -> int | None:
        """Id that ends a document, as the model's own files name it."""
        return self._eos if isinstance(self._eos, int) else self._id(self._eos or "")

    @cached_property
    def bos_id(self) -> int | None:
        """Id that the tokenizer itself puts before every text; None when it puts none."""
        plain = self._decoder.encode("x", add_special_tokens=False).ids
        whole = self._decoder.encode("x", add_special_tokens=True).ids
        return int(whole[0]) if whole[0] != plain[0] else None


def chars_per_token(tokenizer: CodeTokenizer, texts: Sequence[str]) -> float:
    """Return characters ÷ tokens over some texts; 0 when there are no tokens."""
    tokens = sum(len(ids) for ids in tokenizer.encode_batch(texts))
    return sum(len(text) for text in texts) / tokens if tokens else 0.0


# --- what an encoder must forget


def _control_tokens(description: Mapping[str, Any]) -> list[str]:
    added = description.get("added_tokens") or []
    return [
        token["content"]
        for token in added
        if token.get("special") or CONTROL_TEXT.fullmatch(token["content"])
    ]


def _without_control(
    description: Mapping[str, Any], added: Mapping[int, AddedToken]
) -> dict[str, Any]:
    """Return a tokenizer's description in which no text leads to a control token."""
    control = set(_control_tokens(description))
    kept = {token.content: id for id, token in added.items() if token.content not in control}
    return {
        **description,
        "truncation": None,
        "padding": None,
        "post_processor": None,
        "added_tokens": [t for t in description.get("added_tokens") or [] if t["content"] in kept],
        "model": _model_without(description["model"], control, kept),
    }


def _model_without(
    model: Mapping[str, Any], control: set[str], kept: Mapping[str, int]
) -> dict[str, Any]:
    """Take control tokens out of a model's own vocabulary, where many tokenizers list them too.

    The added tokens that stay go in: a token that only `added_tokens` lists is numbered by its
    place there, and that has just changed.
    """
    vocab = model.get("vocab")
    gone = control - {model.get("unk_token")}
    if isinstance(vocab, dict):
        left = {token: id for token, id in vocab.items() if token not in gone}
        return {**model, "vocab": {**left, **kept}}
    if not isinstance(vocab, list):
        return dict(model)
    # Unigram: a piece's place is its id, so what must go is made unreachable instead
    pieces = [["" if token in gone else token, score] for token, score in vocab]
    pieces += [["", 0.0]] * (max(kept.values(), default=-1) + 1 - len(pieces))
    for token, id in kept.items():
        pieces[id] = [token, pieces[id][1]]
    return {**model, "vocab": pieces}


def _without_dummy_space(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description without the space that SentencePiece puts before a text."""
    parts = {name: description.get(name) for name in ("normalizer", "pre_tokenizer")}
    changed: dict[str, Any] = json.loads(json.dumps(parts), object_hook=_drop_dummy_space)
    return {**description, **changed}


def _drop_dummy_space(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") == "Prepend":
        return {"type": "Sequence", "normalizers": []}
    if "add_prefix_space" in part and part.get("type") == "ByteLevel":
        return {**part, "add_prefix_space": False}
    if part.get("type") == "Metaspace":
        return {**part, "prepend_scheme": "never", "add_prefix_space": False}
    return part


# --- what a token's spelling stands for


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's table: which byte each printable character of a byte-level vocabulary stands for."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in shown}
    hidden = (byte for byte in range(256) if byte not in shown)
    table.update({chr(256 + place): byte for place, byte in enumerate(hidden)})
    return table


_BYTES = _byte_alphabet()
_ALPHABET = frozenset(_BYTES)
_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")


def _token_bytes(token: str, style: str) -> bytes:
    """Return the bytes that one token stands for, given the decoder's description."""
    if '"ByteLevel"' in style and _ALPHABET.issuperset(token):
        return bytes(_BYTES[char] for char in token)
    if '"ByteFallback"' in style and (byte := _BYTE_TOKEN.fullmatch(token)):
        return bytes([int(byte[1], 16)])
    return token.replace("▁", " ").encode() if "▁" in style else token.encode()


# --- which token ends a document


def _end_of_document(folder: Path) -> str | int | None:
    """Look in the model's files, the tokenizer's own first."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        found = _read_json(folder / name).get("eos_token")
        text = found.get("content") if isinstance(found, dict) else found
        if isinstance(text, str):
            return text
    ids = _read_json(folder / "config.json").get("eos_token_id")
    first = next(iter(ids), None) if isinstance(ids, Iterable) else ids
    return first if isinstance(first, int) else None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
