"""The process that writes rows ahead of training, as seen from the worker that started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, RunError, SourceError
from codetune_ui.engine.report import StopWish
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Run

__all__ = ["Prepared", "Producer", "rows_needed"]

Stage = Literal["reading", "cutting", "ready", "done", "failed"]
ORDER: tuple[Stage, ...] = ("reading", "cutting", "ready", "done")
POLL_S = 0.05
TERM_S = 5.0
GRACE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the producer knows so far; `dataset/progress.json`, and in the end `manifest.json`."""

    stage: Stage = "reading"
    message: str = ""
    hint: str = ""
    train_documents: int = 0
    val_documents: int = 0
    val_rows: int = 0
    train_rows: int = 0
    rows_per_epoch: int | None = None
    chars_per_token: float = 0.0
    fim_rate_effective: float = 0.0
    whole_prompt_share: float = 0.0
    family: str = ""
    vocab_size: int = 0
    seed: int = 0
    config: str = ""
    tokenizer: str = ""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Prepared:
        """Read what was written; unknown fields are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


def rows_needed(config: Config) -> int:
    """Return how many rows the whole plan trains on."""
    return config.max_steps * config.global_batch_rows


class Producer:
    """A running producer, or a finished dataset that needs none; ends with the `with` block."""

    def __init__(self, run: Run, model_folder: Path, stop: StopWish) -> None:
        self._run = run
        self._folder = model_folder
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Producer:
        if not (self._run.dataset_dir / "manifest.json").exists():
            self._process = self._start()
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # the producer's sign to go, even when it is not ours to signal
        try:
            process.wait(TERM_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        self._run.dataset_dir.mkdir(exist_ok=True)
        (self._run.dataset_dir / "progress.json").unlink(missing_ok=True)  # of an older attempt
        command = [sys.executable, "-m", "codetune_ui.engine.prepare"]
        return subprocess.Popen(
            [*command, str(self._run.path), str(self._folder)],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "true"},
        )

    def prepared(self) -> Prepared:
        """Return what is known now; raise when the producer failed or died."""
        dead = self._process is not None and self._process.poll() is not None
        found = self._read() or Prepared()
        if found.stage == "failed":
            raise _failure(found)
        if dead and found.stage != "done":
            self._stop.check()  # a signal to the group ends the producer too
            raise RunError("Preparing the data ended unexpectedly.", "See the log.")
        return found

    def _read(self) -> Prepared | None:
        folder = self._run.dataset_dir
        values = read_json(folder / "manifest.json") or read_json(folder / "progress.json")
        return None if values is None else Prepared.from_dict(values)

    def wait_for(self, stage: Stage, *, patience_s: float | None = None) -> Prepared:
        """Return when a stage is reached, or when patience ends; raise on failure or stop."""
        deadline = None if patience_s is None else time.monotonic() + patience_s
        while True:
            self._stop.check()
            found = self.prepared()
            reached = ORDER.index(found.stage) >= ORDER.index(stage)
            if reached or (deadline is not None and time.monotonic() >= deadline):
                return found
            time.sleep(POLL_S)

    def rows_per_epoch(self) -> int | None:
        """Return how many rows one pass over the code gives; None while that is not known."""
        values = self._read()
        return values.rows_per_epoch if values else None

    def wait_for_rows(self, rows: int) -> None:
        """Return when so many rows of training are on disk."""
        begun = time.monotonic()
        row_bytes = self._run.config().max_seq_len * 4
        path = self._run.dataset_dir / "train.rows"
        while not path.exists() or path.stat().st_size < rows * row_bytes:
            if time.monotonic() - begun > GRACE_S:  # a step that has begun is better finished
                self._stop.check()
            if self.prepared().stage == "done" and path.stat().st_size < rows * row_bytes:
                raise RunError("The prepared rows are incomplete.", "Start a new run.")
            time.sleep(POLL_S)


def _failure(found: Prepared) -> CodeTuneError:
    return SourceError(found.message, found.hint)
