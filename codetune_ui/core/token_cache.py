"""Tokens of whole documents, kept: another hole in the same text costs no tokenisation."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.splice import Known, token_starts
from codetune_ui.core.tokens import CodeTokenizer

MOST_CHARACTERS = 4_000_000  # some 2 MB of ids

Ids = NDArray[np.uint16] | NDArray[np.uint32]


class TokenCache:
    """The tokens of documents by the hash of their text; safe to share between threads.

    It is full at `most_characters`, of which each costs about a byte. Then it forgets what was not
    asked for the longest; or, where `forgets` is False, keeps what it has: of code that is read
    over and over from front to end, the last asked for would be the next to go.
    """

    def __init__(
        self,
        tokenizer: CodeTokenizer,
        most_characters: int = MOST_CHARACTERS,
        *,
        forgets: bool = True,
    ) -> None:
        self.tokenizer = tokenizer
        self.encoded = 0
        """Texts that were not known."""
        self._most, self._forgets = most_characters, forgets
        self._kept: OrderedDict[bytes, tuple[Ids, int]] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def known(self, texts: Sequence[str]) -> list[Known]:
        """Return the tokens of some texts; those that are new are encoded in one call."""
        with self._lock:
            keys = [text_hash(text) for text in texts]
            found = {key: self._kept[key][0] for key in keys if key in self._kept}
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
            for (key, text), ids in zip(new.items(), self._encode(list(new.values())), strict=True):
                found[key] = ids
                self._put(key, ids, len(text))
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
            return [self._known(text, found[key]) for key, text in zip(keys, texts, strict=True)]

    def items(self) -> list[tuple[bytes, Ids, int]]:
        """Return what is kept: the hash of each text, its tokens, its characters."""
        with self._lock:
            return [(key, ids, characters) for key, (ids, characters) in self._kept.items()]

    def put(self, items: Iterable[tuple[bytes, Ids, int]]) -> None:
        """Take in what another cache of this tokenizer kept."""
        with self._lock:
            for key, ids, characters in items:
                self._put(key, ids, characters)

    def _encode(self, texts: list[str]) -> list[Ids]:
        self.encoded += len(texts)
        found = self.tokenizer.encode_batch(texts, continues=True) if texts else []
        return [_compact(ids) for ids in found]

    def _known(self, text: str, ids: Ids) -> Known:
        listed: list[int] = ids.tolist()
        return Known(listed, token_starts(text, listed, self.tokenizer), text)

    def _put(self, key: bytes, ids: Ids, characters: int) -> None:
        full = self._characters + characters > self._most
        if key in self._kept or (full and not self._forgets):
            return
        self._kept[key] = (ids, characters)
        self._characters += characters
        while self._characters > self._most:
            _, (_, gone) = self._kept.popitem(last=False)
            self._characters -= gone


def text_hash(text: str) -> bytes:
    """Return 16 bytes that tell texts apart."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _compact(ids: Sequence[int]) -> Ids:
    wide = np.asarray(ids, dtype=np.uint32)
    return wide.astype(np.uint16) if not len(wide) or wide.max() < 1 << 16 else wide
