"""Documents to rows on disk, ahead of the training; runs in a process of its own, without torch.

dataset/held_out.jsonl   the documents that are never trained on
dataset/val.rows         a capped sample of them as rows, cut as in epoch 0
dataset/train.rows       epoch after epoch of rows, until the plan has enough
dataset/progress.json    how far it is
dataset/manifest.json    last: the counts and hashes of all this

The texts lie in a scratch file meanwhile (engine/shelf.py): memory grows with the number of
documents, not with their length. Started again after a crash, it cuts the same rows anew, checks
those on disk, and goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import CodeTuneError, SourceError
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import Row, to_words
from codetune_ui.core.recipe import Recipe, examples_of, of_set, rows
from codetune_ui.core.sources import is_hub_source, shown
from codetune_ui.core.split import Split, choose_split
from codetune_ui.core.tokens import CodeTokenizer, chars_per_token
from codetune_ui.engine.producer import Prepared, rows_needed
from codetune_ui.engine.reading import STREAM_BLOCK, read_documents
from codetune_ui.engine.shelf import Entry, Shelf, View
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.store import Run

SAMPLE = 200  # documents that chars per token and the FIM figures are taken from
MOST_VAL_ROWS = 256


def val_rows_wanted(config: Config) -> int:
    """Return how many held-out rows are measured: enough to trust, a small part of the time."""
    between = config.eval_every * config.global_batch_rows
    return min(MOST_VAL_ROWS, max(16, between // 4))


class Preparation:
    """Writes one run's dataset folder."""

    def __init__(self, run: Run, model_folder: Path) -> None:
        self.run = run
        self.config = run.config()
        self.tokenizer = CodeTokenizer.from_folder(model_folder)
        format = find_format(self.tokenizer, model_folder, self.config)
        self.recipe = Recipe.from_config(self.config, self.tokenizer, format)
        self.known = Prepared(
            family=format.family.name if format else "",
            vocab_size=self.tokenizer.vocab_size,
            seed=self.config.seed,
            config=_sha256(json.dumps(self.config.to_dict(), sort_keys=True).encode()),
            tokenizer=_sha256((model_folder / "tokenizer.json").read_bytes()),
        )

    def write(self) -> None:
        """Read, split, cut and write everything the plan needs."""
        self._note(stage="reading")
        with Shelf(self.run.dataset_dir) as shelf:
            self._write(shelf)
        self.known = replace(self.known, stage="done", train_rows=rows_needed(self.config))
        # Before the news: whoever hears it may end this process at once.
        replace_json(self.run.dataset_dir / "manifest.json", asdict(self.known))
        self._note()

    def _write(self, shelf: Shelf) -> None:
        documents = (
            d for d in read_documents(self.config, refresh=False) if isinstance(d, Document)
        )
        size = STREAM_BLOCK if is_hub_source(self.config.source) else None
        first = shelf.put(itertools.islice(documents, size))
        split = choose_split(first, self.config)
        train = [entry for entry in first if not split.holds_out(entry)]
        val = [entry for entry in first if split.holds_out(entry)]
        del first
        self._note(stage="cutting", train_documents=len(train), val_documents=len(val))
        self._write_held_out(shelf.view(val))
        self._measure(shelf.view(train), streamed=size is not None)
        val_rows = self._write_val(shelf.view(val))
        self._note(stage="ready", val_rows=val_rows)
        self._write_train(self._epochs(shelf, train, self._blocks(shelf, documents, split)))

    def _note(self, **changes: object) -> None:
        self.known = replace(self.known, **changes)  # type: ignore[arg-type]
        replace_json(self.run.dataset_dir / "progress.json", asdict(self.known))

    def _blocks(
        self, shelf: Shelf, documents: Iterator[Document], split: Split
    ) -> Iterator[list[Entry]]:
        """Yield the rest of a stream in blocks, without what falls on the held-out side."""
        while block := list(itertools.islice(documents, STREAM_BLOCK)):
            yield shelf.put(document for document in block if not split.holds_out(document))

    def _epochs(
        self, shelf: Shelf, train: list[Entry], more: Iterator[list[Entry]]
    ) -> Iterator[Row]:
        """Yield rows without end; the first epoch reads the source only as far as it is asked.

        Shuffled are the entries: a text is read back when its turn comes.
        """
        seen = list(train)
        count = 0
        for block in itertools.chain([train], more):
            if block is not train:
                seen += block
            for row in rows(shelf.view(self._shown(block, 0)), self.recipe, 0):
                count += 1
                yield row
        if not count:
            raise SourceError("The code gives not a single row to train on.", "Add more code.")
        self._note(rows_per_epoch=count, train_documents=len(seen))
        for epoch in itertools.count(1):
            yield from rows(shelf.view(self._shown(seen, epoch)), self.recipe, epoch)

    def _shown(self, entries: list[Entry], epoch: int) -> list[Entry]:
        """Return what an epoch shows; where chance would leave nothing at all, everything."""
        return shown(entries, self.config.seed, epoch) or entries

    def _write_train(self, endless: Iterator[Row]) -> None:
        path = self.run.dataset_dir / "train.rows"
        with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
            for row in itertools.islice(endless, rows_needed(self.config)):
                _write_or_compare(file, to_words(row).tobytes())
            os.fsync(file.fileno())

    def _write_held_out(self, val: Sequence[Document]) -> None:
        with (self.run.dataset_dir / "held_out.jsonl").open("w", encoding="utf-8") as file:
            for document in val:
                line = {
                    "path": document.path,
                    "language": document.language,
                    "text": document.text,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _write_val(self, val: Sequence[Document]) -> int:
        chosen = itertools.islice(rows(val, self.recipe, 0), val_rows_wanted(self.config))
        words = [to_words(row) for row in chosen]
        if not words:
            raise SourceError("The held-out code gives not a single row.", "Add more code.")
        np.concatenate(words).tofile(self.run.dataset_dir / "val.rows")
        return len(words)

    def _measure(self, train: View, *, streamed: bool) -> None:
        sample = list(train[:SAMPLE])
        found = list(examples_of(sample, of_set(self.recipe, train), 0))
        holes = [example for example in found if example.mode != "ltr"]
        whole = [e for e in holes if e.prefix + e.middle + e.suffix == e.source]
        density = chars_per_token(self.tokenizer, [d.text for d in sample])
        row_characters = density * self.config.max_seq_len
        whole_code = sum(entry.size * entry.weight for entry in train.entries)
        self.known = replace(
            self.known,
            chars_per_token=round(density, 3),
            # an estimate, until the first pass has been made; of a stream nobody knows the end
            rows_per_epoch=None if streamed else math.ceil(whole_code / max(row_characters, 1.0)),
            fim_rate_effective=round(len(holes) / max(1, len(found)), 4),
            whole_prompt_share=round(len(whole) / len(holes), 4) if holes else 1.0,
        )


def _write_or_compare(file: BinaryIO, words: bytes) -> None:
    """Append a row, or check that the row which an earlier attempt left here is this one."""
    place = file.tell()
    found = file.read(len(words))
    if found == words:
        return
    if len(found) == len(words):
        raise SourceError(
            "The code has changed since this run began.",
            "Start a new run, or put the code back as it was.",
        )
    file.seek(place)
    file.truncate()
    file.write(words)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _leave_with_parent() -> None:
    """End this process when its parent is gone, however it went: its end of the pipe closes."""
    # Not through sys.stdin: its lock would be held at the interpreter's own shutdown.
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(0)


def main(run_path: str, model_folder: str) -> int:
    """Prepare a run's dataset; what goes wrong is told through `progress.json`."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the worker's to obey; it still needs rows
    if hasattr(os, "nice"):
        os.nice(5)  # on two cores it would take half of the training's time
    run = Run(Path(run_path))
    try:
        Preparation(run, Path(model_folder)).write()
    except CodeTuneError as error:
        _fail(run, error.message, error.hint)
        return 2
    except OSError as error:
        traceback.print_exc()
        _fail(run, f"The rows cannot be written: {error.strerror or error}.", "Free some space.")
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence of this process
        traceback.print_exc()
        _fail(run, f"Preparing the data failed: {error}.", "See the log.")
        return 1
    return 0


def _fail(run: Run, message: str, hint: str) -> None:
    failed = Prepared(stage="failed", message=message, hint=hint)
    replace_json(run.dataset_dir / "progress.json", asdict(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
