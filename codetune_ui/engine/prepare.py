"""Documents to rows on disk, ahead of the training; runs in a process of its own, without torch.

dataset/held_out.jsonl   the documents that are never trained on
dataset/val.rows         a capped sample of them as rows, cut as in epoch 0
dataset/train.rows       epoch after epoch of rows, until the plan has enough
dataset/progress.json    how far it is
dataset/manifest.json    last: the counts and hashes of all this

Where the documents come from is engine/beginning.py's matter. The texts lie in a scratch file
meanwhile (engine/shelf.py): memory grows with the number of documents, not with their length.
Started again after a crash, it begins where the first attempt began, cuts the same rows anew,
checks those on disk, and goes on.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import math
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from codetune_ui.core import secrets
from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import CodeTuneError, SourceError
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import Row, to_words
from codetune_ui.core.recipe import (
    Ready,
    Recipe,
    examples_of,
    of_set,
    rows,
    rows_after,
    rows_of_blocks,
)
from codetune_ui.core.sources import shown
from codetune_ui.core.tokens import CodeTokenizer, chars_per_token
from codetune_ui.engine.beginning import Beginning, begin, begins_from_scan, end
from codetune_ui.engine.producer import Prepared, rows_needed
from codetune_ui.engine.shelf import Entry, Shelf, View
from codetune_ui.engine.token_store import TokenStore
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.process import end_with_parent
from codetune_ui.runs.store import Run

SAMPLE = 200  # documents that chars per token and the FIM figures are taken from
SAMPLE_CHARACTERS = 500_000  # of them at most; the training waits for the figures
MOST_VAL_ROWS = 256


class Ahead(Protocol):
    """What other processes have done before: all documents are read, and examples are cut."""

    def beginning(self) -> Beginning:
        """Return all documents, by side."""

    def ready(self, epoch: int) -> Ready:
        """Return the examples of an epoch that were cut."""


def val_rows_wanted(config: Config) -> int:
    """Return how many held-out rows are measured: enough to trust, a small part of the time.

    A measured row costs a third of a trained one: with a twentieth as many, 2 % of the time.
    """
    between = config.eval_every * config.global_batch_rows
    return min(MOST_VAL_ROWS, max(16, between // 20))


class Preparation:
    """Writes one run's dataset folder."""

    def __init__(self, run: Run, model_folder: Path, *, ahead: Ahead | None = None) -> None:
        self.run, self.ahead = run, ahead
        self.config = run.config()
        file = model_folder / "tokenizer.json"
        tokenizer = _sha256(file.read_bytes() if file.is_file() else b"")  # refused below
        self.from_scan = ahead is None and begins_from_scan(run, tokenizer)
        if not self.from_scan and ahead is None:
            secrets.warm()  # while the tokenizer is loaded
        self.tokenizer = CodeTokenizer.from_folder(model_folder)
        format = find_format(self.tokenizer, model_folder, self.config)
        self.tokens = TokenStore(run.home, tokenizer, self.config.source)
        cache = self.tokens.open(self.tokenizer)
        recipe = Recipe.from_config(self.config, self.tokenizer, format)
        self.cache, self.recipe = cache, replace(recipe, cache=cache)
        self.known = Prepared(
            family=format.family.name if format else "",
            vocab_size=self.tokenizer.vocab_size,
            seed=self.config.seed,
            config=_sha256(json.dumps(self.config.to_dict(), sort_keys=True).encode()),
            tokenizer=tokenizer,
        )

    def write(self) -> None:
        """Read, split, cut and write everything the plan needs."""
        self._note(stage="reading")
        with Shelf(self.run.dataset_dir) as shelf:
            beginning = self._begin(shelf)
            with closing(beginning.texts):
                self._write(beginning)
        self.tokens.save(self.cache)
        self.known = replace(self.known, stage="done", train_rows=rows_needed(self.config))
        # Before the news: whoever hears it may end this process at once.
        replace_json(self.run.dataset_dir / "manifest.json", asdict(self.known))
        end(self.run)
        self._note()

    def _begin(self, shelf: Shelf) -> Beginning:
        if self.ahead is not None:
            return self.ahead.beginning()
        return begin(self.run, shelf, from_scan=self.from_scan)

    def _write(self, beginning: Beginning) -> None:
        """Cut the first row before anything is measured: the training can begin to load it."""
        texts, train, val = beginning.texts, beginning.train, beginning.held_out
        self._note(stage="cutting", train_documents=len(train), val_documents=len(val))
        endless = self._epochs(beginning)
        path = self.run.dataset_dir / "train.rows"
        with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
            self._write_rows(file, itertools.islice(endless, 1))
            self._write_held_out(texts.view(val))
            self._measure(texts.view(train), beginning.count())
            self._note(stage="ready", val_rows=self._write_val(texts.view(val)))
            self._write_rows(file, itertools.islice(endless, rows_needed(self.config) - 1))
            os.fsync(file.fileno())

    def _note(self, **changes: object) -> None:
        self.known = replace(self.known, **changes)  # type: ignore[arg-type]
        replace_json(self.run.dataset_dir / "progress.json", asdict(self.known))

    def _epochs(self, beginning: Beginning) -> Iterator[Row]:
        """Yield rows without end; the first epoch reads the source only as far as it is asked.

        Shuffled are the entries: a text is read back when its turn comes.
        """
        texts, seen = beginning.texts, list(beginning.train)
        count = 0
        for row in self._first_rows(beginning, seen):
            count += 1
            yield row
        if not count:
            raise SourceError("The code gives not a single row to train on.", "Add more code.")
        self._note(rows_per_epoch=count, train_documents=len(seen))
        for epoch in itertools.count(1):
            yield from self._rows(texts.view(self._shown(seen, epoch)), epoch)

    def _first_rows(self, beginning: Beginning, seen: list[Entry]) -> Iterator[Row]:
        if self.ahead is not None:
            return self._rows(beginning.texts.view(self._shown(seen, 0)), 0)
        return rows_of_blocks(self._first_epoch(beginning, seen), self.recipe, 0)

    def _rows(self, documents: View, epoch: int) -> Iterator[Row]:
        if self.ahead is None:
            return rows(documents, self.recipe, epoch)
        return rows_after(self.ahead.ready(epoch), documents, self.recipe, epoch)

    def _first_epoch(self, beginning: Beginning, seen: list[Entry]) -> Iterator[View]:
        """Yield what is known at first, then block by block what is read; note it all in `seen`."""
        yield beginning.texts.view(self._shown(beginning.train, 0))
        for block in beginning.more:
            seen += block
            yield beginning.texts.view(self._shown(block, 0))

    def _shown(self, entries: list[Entry], epoch: int) -> list[Entry]:
        """Return what an epoch shows; where chance would leave nothing at all, everything."""
        return shown(entries, self.config.seed, epoch) or entries

    def _write_rows(self, file: BinaryIO, some: Iterator[Row]) -> None:
        for row in some:
            _write_or_compare(file, to_words(row).tobytes())

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

    def _measure(self, train: View, characters: int | None) -> None:
        sample = _sample(train)
        found = list(examples_of(sample, of_set(self.recipe, train), 0))
        holes = [example for example in found if example.mode != "ltr"]
        whole = [e for e in holes if e.prefix + e.middle + e.suffix == e.source]
        density = chars_per_token(self.tokenizer, [d.text for d in sample])
        row_characters = max(density * self.config.max_seq_len, 1.0)
        self.known = replace(
            self.known,
            chars_per_token=round(density, 3),
            # an estimate, until the first pass has been made; of a stream nobody knows the end
            rows_per_epoch=None if characters is None else math.ceil(characters / row_characters),
            fim_rate_effective=round(len(holes) / max(1, len(found)), 4),
            whole_prompt_share=round(len(whole) / len(holes), 4) if holes else 1.0,
        )


def _sample(documents: View) -> list[Document]:
    """Return the first documents, so many that their figures say something."""
    sample: list[Document] = []
    characters = 0
    for document in itertools.islice(documents, SAMPLE):
        sample.append(document)
        characters += document.size
        if characters >= SAMPLE_CHARACTERS:
            break
    return sample


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


def main(run_path: str, model_folder: str) -> int:
    """Prepare a run's dataset; what goes wrong is told through `progress.json`."""
    end_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the worker's to obey; it still needs rows
    if hasattr(os, "nice"):
        os.nice(5)  # on two cores it would take half of the training's time
    gc.set_threshold(50_000, 20, 20)  # a list of 100,000 files is no garbage: a third of its time
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
