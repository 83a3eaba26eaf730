"""Holes to fill: the one in the editor, and others cut out of held-out files."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from codetune_ui.core.document import Document
from codetune_ui.core.errors import CodeTuneError, SourceError
from codetune_ui.core.neighbours import Neighbour, Repository
from codetune_ui.runs.store import Home, Run

MARKER = "<FILL>"
LEAST = 6  # characters that are not space: shorter lines are closing brackets and the like
MOST_FILES = 400  # read for a draw

EXAMPLE = f'''from dataclasses import dataclass, field


@dataclass
class Queue:
    """Jobs in the order they came."""

    jobs: list[str] = field(default_factory=list)

    def push(self, job: str) -> None:
        self.jobs.append(job)

    def pop(self) -> str:
        {MARKER}

    def __len__(self) -> int:
        return len(self.jobs)
'''


@dataclass(frozen=True)
class Hole:
    """A text with a place in it that is to be filled."""

    prefix: str
    suffix: str

    @property
    def first_line(self) -> int:
        """Number of the line the hole is in, from 1."""
        return self.prefix.count("\n") + 1


@dataclass(frozen=True)
class Sample:
    """A line cut out of a file, and what stood there."""

    path: str
    language: str
    prefix: str
    truth: str
    suffix: str

    @property
    def text(self) -> str:
        """The file as the editor shows it."""
        return f"{self.prefix}{MARKER}{self.suffix}"

    def known(self) -> str:
        """Return what the page keeps of it: the truth is told for exactly this text only."""
        line = self.prefix.count("\n") + 1
        known = Known(self.path, self.language, self.truth, _digest(self.text), line)
        return json.dumps(asdict(known))


@dataclass(frozen=True)
class Known:
    """Where the text in the editor comes from, and what stood in its hole."""

    path: str = ""
    language: str = "python"
    truth: str = ""
    digest: str = ""
    line: int = 1

    @classmethod
    def read(cls, kept: str, text: str) -> Known:
        """Read what `Sample.known` gave; without the truth once the text has been changed."""
        try:
            found = cls(**json.loads(kept))
        except (TypeError, ValueError):
            return cls()
        return found if found.digest == _digest(text) else cls(found.path, found.language)


def find_hole(text: str) -> Hole:
    """Part the text at its marker; raise `SourceError` when there is none, or more than one."""
    parts = text.split(MARKER)
    if len(parts) == 1:
        raise SourceError(
            f"There is no hole in the code: {MARKER} is missing.",
            f"Type {MARKER} where something should be filled in.",
        )
    if len(parts) > 2:
        raise SourceError(f"There are {len(parts) - 1} holes.", f"Leave one {MARKER} only.")
    return Hole(*parts)


def cut_line(text: str, path: str, language: str, rng: random.Random) -> Sample | None:
    """Cut one line out, its indentation left in place; None when no line is worth it."""
    lines = text.splitlines(keepends=True)
    worth = [i for i, line in enumerate(lines) if len("".join(line.split())) >= LEAST]
    if not worth or MARKER in text:
        return None
    chosen = rng.choice(worth)
    line = lines[chosen]
    truth = line.strip()
    indent, end = line[: line.index(truth)], line[line.index(truth) + len(truth) :]
    before, after = "".join(lines[:chosen]), "".join(lines[chosen + 1 :])
    return Sample(path, language.lower(), before + indent, truth, end + after)


def draw_sample(home: Home, run_name: str, scan_id: str, rng: random.Random) -> Sample:
    """Cut a hole into a held-out file: of the run, else of the scan that is looked at."""
    files = list(_held_out(home, run_name, scan_id))
    rng.shuffle(files)
    for file in files:
        sample = cut_line(file["text"], file["path"], file["language"], rng)
        if sample is not None:
            return sample
    raise SourceError(
        "No held-out code is here yet.", "Scan your code on Model & Data, or train a run."
    )


def neighbours_of(home: Home, run_name: str, path: str) -> tuple[Neighbour, ...]:
    """Return the held-out files a held-out one is read with, for a run that was trained so."""
    run = home.run(run_name)
    if not path or run.config().repo_context != "neighbours":
        return ()
    rows = list(_rows(run.dataset_dir / "held_out.jsonl"))
    files = [Document(row["text"], row["path"], row["language"], "") for row in rows]
    return Repository(files).neighbours(path)


def _held_out(home: Home, run_name: str, scan_id: str) -> Iterator[dict[str, str]]:
    if run_name:
        found = list(_rows(home.run(run_name).dataset_dir / "held_out.jsonl"))
        if found:
            yield from found
            return
    scan = _scan(home, scan_id)
    if scan is not None:
        rows = _rows(scan.path / "documents.jsonl")
        yield from (row for row in rows if row.get("split") != "train")


def _scan(home: Home, scan_id: str) -> Run | None:
    try:
        return home.scan(scan_id) if scan_id else home.latest_scan()
    except CodeTuneError:
        return None


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for _, line in zip(range(MOST_FILES), file, strict=False):
                yield json.loads(line)
    except (OSError, ValueError):  # not written yet, or not to its end
        return


def _digest(text: str) -> str:
    # An editor gives back line ends of its own.
    return hashlib.sha256("\n".join(text.splitlines()).encode()).hexdigest()
