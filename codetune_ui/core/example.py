"""One training item and the cut it comes from: the values that the FIM step makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from codetune_ui.core.context import NO_CONTEXT, Context
from codetune_ui.core.registry import Order
from codetune_ui.core.splice import Known, Piece

Mode = Literal["psm", "spm", "ltr"]


@dataclass(frozen=True)
class Example:
    """One training item: its tokens, the loss on them, and the text they came from.

    `prefix + middle + suffix` is `source`, unless far ends were cut to fit the row. A left-to-right
    example is all prefix.
    """

    ids: list[int]
    labels: list[int]
    mode: Mode
    path: str
    source: str
    prefix: str
    middle: str
    suffix: str
    order: Order | None = None
    start: int = 0
    """Character of `source` at which the middle begins."""
    prefix_tokens: int = 0
    middle_tokens: int = 0
    suffix_tokens: int = 0
    context: Context = NO_CONTEXT
    """What stands before the file's own text, of which nothing carries loss."""


@dataclass(frozen=True)
class Cut:
    """What chance decided for one window: its order, None for left to right, and its hole."""

    text: str
    path: str
    ends_document: bool
    order: Order | None
    start: int
    end: int
    known: Known | None = None
    """Tokens of the whole document, and `place`: where in it the window begins."""
    place: int = 0

    @property
    def prefix(self) -> str:
        """Text before the hole; all of it without one."""
        return self.text[: self.start]

    @property
    def middle(self) -> str:
        """Text in the hole."""
        return self.text[self.start : self.end]

    @property
    def suffix(self) -> str:
        """Text after the hole."""
        return self.text[self.end :]

    def piece(self, start: int, end: int) -> Piece:
        """Return a part of the window for encoding."""
        return Piece(self.text[start:end], self.known, self.place + start)
