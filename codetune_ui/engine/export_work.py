"""One export as its steps see it: whose, as what, from which base, and how to tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from codetune_ui.core.export import Request
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.runs.exports import adapter_settings
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Run

Found = dict[str, Any]
"""What is worth keeping of an export: fields of its manifest."""

TOKENIZER = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "fim.json"),
)


@dataclass(frozen=True)
class Work:
    """One export as its steps see it. folder: the base model's."""

    job: Run
    run: Run
    request: Request
    folder: Path
    reporter: Reporter
    stop: StopWish

    @cached_property
    def base(self) -> dict[str, Any]:
        """The base's config.json."""
        return read_json(self.folder / "config.json") or {}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The adapter's own settings."""
        return adapter_settings(self.run)

    def tell(self, done: int, total: int, deed: str) -> None:
        """Say how far it is, and hear a wish to stop."""
        self.stop.check()
        self.reporter.event("export", done=done, total=total, deed=deed)
