"""Tokens of whole documents, kept: another hole in the same text costs no tokenisation."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from codetune_ui.core.splice import Known, token_starts
from codetune_ui.core.tokens import CodeTokenizer

MOST_CHARACTERS = 4_000_000  # some 60 MB of ids and places


class TokenCache:
    """The tokens of the documents asked for last; safe to share between threads."""

    def __init__(self, tokenizer: CodeTokenizer, most_characters: int = MOST_CHARACTERS) -> None:
        self.tokenizer = tokenizer
        self._most = most_characters
        self._kept: OrderedDict[str, Known] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def known(self, texts: Sequence[str]) -> list[Known]:
        """Return the tokens of some texts; those that are new are encoded in one call."""
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._kept]
            for text, ids in zip(new, self._encoded(new), strict=True):
                self._kept[text] = Known(ids, token_starts(text, ids, self.tokenizer), text)
                self._characters += len(text)
            for text in texts:
                self._kept.move_to_end(text)
            found = [self._kept[text] for text in texts]
            self._forget()
            return found

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer.encode_batch(texts, continues=True) if texts else []

    def _forget(self) -> None:
        """Drop what was not asked for the longest, until the rest is small enough."""
        while self._characters > self._most and self._kept:
            text, _ = self._kept.popitem(last=False)
            self._characters -= len(text)
