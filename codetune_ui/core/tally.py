"""The report of a scan: every file that passed, counted by reason, language and side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from codetune_ui.core.document import Document, Dropped, DropReason, Finding
from codetune_ui.core.fit import length_histogram, verdict
from codetune_ui.core.split import Placed

COPIES = frozenset({DropReason.DUPLICATE, DropReason.NEAR_DUPLICATE})
# Seen in the text itself; every other reason is told from the name, the place or the bytes.
BY_CONTENT = frozenset(
    {
        *(DropReason.MINIFIED, DropReason.LONG_LINES, DropReason.FEW_LETTERS, DropReason.BLOBS),
        *(DropReason.GENERATED, DropReason.LANGUAGE, DropReason.LICENCE, DropReason.EMPTY),
    }
)


@dataclass
class LanguageCount:
    """What is kept of one language."""

    files: int = 0
    characters: int = 0
    tokens: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts with the characters per token and what they mean."""
        ratio = round(self.characters / self.tokens, 3) if self.tokens else None
        return asdict(self) | {"chars_per_token": ratio, "verdict": verdict(ratio)}


class ScanReport:
    """Counts a stream as it passes; `to_dict` is what `app.py scan` prints.

    It keeps a line a file, not the texts: about 400 bytes each. `row_tokens` is the length of a
    row of training, `redacted` whether the secrets that were found are out of the texts.
    """

    def __init__(self, row_tokens: int = 2048, *, redacted: bool = True) -> None:
        self.files: list[dict[str, Any]] = []
        self.reasons: Counter[str] = Counter()
        self.languages: dict[str, LanguageCount] = {}
        self.notes: Counter[str] = Counter()
        self.secrets: list[dict[str, Any]] = []
        self.redacted = 0
        self.kept = self.characters = 0
        self.leak: dict[str, Any] | None = None
        self._row_tokens, self._redacts = row_tokens, redacted
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
            line |= self._keep(item)
            self._by_path[item.path] = line
        if item.findings:
            line["secrets"] = len(item.findings)
            self._note_secrets(item.path, item.findings, kept=isinstance(item, Document))
        self.files.append(line)

    def _keep(self, document: Document) -> dict[str, Any]:
        size = len(document.text)
        self.kept += 1
        self.characters += size
        language = self.languages.setdefault(document.language, LanguageCount())
        language.files += 1
        language.characters += size
        self.notes.update([document.note] if document.note else [])
        return {"characters": size, "tokens": None, "split": None, "note": document.note}

    def _note_secrets(self, path: str, findings: Sequence[Finding], *, kept: bool) -> None:
        self.secrets += [{"path": path} | asdict(finding) for finding in findings]
        self.redacted += len(findings) if kept and self._redacts else 0

    def set_tokens(self, tokens: Mapping[str, int]) -> None:
        """Note the tokens of kept files, by path; once for each file."""
        for path, count in tokens.items():
            line = self._by_path[path]
            line["tokens"] = count
            self.languages[line["language"]].tokens += count

    def set_split(self, train: Sequence[Placed], held_out: Sequence[Placed]) -> None:
        """Note on which side of the split each kept file is."""
        for name, documents in (("train", train), ("val", held_out)):
            for document in documents:
                self._by_path[document.path]["split"] = name

    def to_dict(self) -> dict[str, Any]:
        """Return the counts; `found` is `kept` plus all of `dropped`."""
        train, held_out = self._side("train"), self._side("val")
        counted = [line["tokens"] for line in self._by_path.values() if line["tokens"] is not None]
        tokens = sum(counted)
        ratio = round(self.characters / tokens, 3) if tokens else None
        ordered = sorted(self.languages.items(), key=lambda item: -item[1].characters)
        return {
            "found": self.found,
            "kept": self.kept,
            "dropped": dict(self.reasons.most_common()),
            "steps": self.steps(),
            "files": self.files,
            "languages": {name: count.characters for name, count in ordered},
            "by_language": {name: count.to_dict() for name, count in ordered},
            "notes": dict(self.notes.most_common()),
            "characters": self.characters,
            "tokens": tokens,
            "chars_per_token": ratio,
            "verdict": verdict(ratio),
            "row_tokens": self._row_tokens,
            "lengths": length_histogram(counted, self._row_tokens),
            "train": train[0],
            "held_out": held_out[0],
            "train_tokens": train[1],
            "held_out_tokens": held_out[1],
            "leak": self.leak,
            "secrets": self.secrets,
            "secrets_redacted": self.redacted,
        }

    def steps(self) -> list[dict[str, Any]]:
        """Return how many files are left after each step; the first is all that was found."""
        left, steps = self.found, [{"step": "found", "files": self.found}]
        for name, step_dropped in self._dropped_by_step().items():
            left -= step_dropped
            steps.append({"step": name, "files": left})
        return steps

    def _dropped_by_step(self) -> dict[str, int]:
        counts = dict.fromkeys(("names and bytes", "content", "secrets", "duplicates"), 0)
        for reason, count in self.reasons.items():
            step = "names and bytes"
            if reason in BY_CONTENT:
                step = "content"
            elif reason == DropReason.SECRETS:
                step = "secrets"
            elif reason in COPIES:
                step = "duplicates"
            counts[step] += count
        return counts

    def _side(self, name: str) -> tuple[int, int]:
        lines = [line for line in self._by_path.values() if line["split"] == name]
        return len(lines), sum(line["tokens"] or 0 for line in lines)
