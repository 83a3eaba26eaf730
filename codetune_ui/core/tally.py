"""The report of a scan: every file that passed, counted by reason, language and side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from codetune_ui.core.document import Document, Dropped


class ScanReport:
    """Counts a stream as it passes; `to_dict` is what `app.py scan` prints.

    It keeps a line a file, not the texts: about 200 bytes each.
    """

    def __init__(self) -> None:
        self.files: list[dict[str, Any]] = []
        self.reasons: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()  # characters of each
        self.notes: Counter[str] = Counter()
        self.kept = self.characters = 0
        self._by_path: dict[str, dict[str, Any]] = {}

    @property
    def found(self) -> int:
        """Files seen."""
        return len(self.files)

    @property
    def dropped(self) -> int:
        """Files left out."""
        return self.found - self.kept

    def add(self, item: Document | Dropped) -> None:
        """Count one file; its path must be unlike the others', as `collect` makes it."""
        line: dict[str, Any] = {"path": item.path, "language": item.language, "reason": None}
        if isinstance(item, Dropped):
            line |= {"reason": str(item.reason), "detail": item.detail}
            self.reasons[str(item.reason)] += 1
        else:
            size = len(item.text)
            line |= {"characters": size, "tokens": None, "split": None, "note": item.note}
            self.kept += 1
            self.characters += size
            self.languages[item.language] += size
            self.notes.update([item.note] if item.note else [])
            self._by_path[item.path] = line
        self.files.append(line)

    def set_tokens(self, tokens: Mapping[str, int]) -> None:
        """Note the tokens of kept files, by path."""
        for path, count in tokens.items():
            self._by_path[path]["tokens"] = count

    def set_split(self, train: Sequence[Document], held_out: Sequence[Document]) -> None:
        """Note on which side of the split each kept file is."""
        for name, documents in (("train", train), ("val", held_out)):
            for document in documents:
                self._by_path[document.path]["split"] = name

    def to_dict(self) -> dict[str, Any]:
        """Return the counts; `found` is `kept` plus all of `dropped`."""
        train, held_out = self._side("train"), self._side("val")
        tokens = sum(line["tokens"] or 0 for line in self._by_path.values())
        return {
            "found": self.found,
            "kept": self.kept,
            "dropped": dict(self.reasons.most_common()),
            "files": self.files,
            "languages": dict(self.languages.most_common()),
            "notes": dict(self.notes.most_common()),
            "characters": self.characters,
            "tokens": tokens,
            "chars_per_token": round(self.characters / tokens, 3) if tokens else None,
            "train": train[0],
            "held_out": held_out[0],
            "train_tokens": train[1],
            "held_out_tokens": held_out[1],
            "secrets": [],  # nothing looks for them yet
        }

    def _side(self, name: str) -> tuple[int, int]:
        lines = [line for line in self._by_path.values() if line["split"] == name]
        return len(lines), sum(line["tokens"] or 0 for line in lines)
