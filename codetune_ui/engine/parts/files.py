"""The files of a preparation in parts: what each task reads, and where all of it lies together.

read/00012.items       a line a file, kept or dropped, with what its copies are known by
read/00012.texts       the kept texts, as on a shelf
read/00012.runs, keys  sketches for near-copies: the smallest runs, and the keys of the index
order/00012.jsonl      documents to cut, in the order in which an epoch tells them
cut/00012.words        their examples, one after the other; cut/00012.json says how long each is

A task writes under a scratch name and renames at its end; a part is whole, or not there.
"""

from __future__ import annotations

import bisect
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.dedup import text_hash
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.near import BANDS, Sketch, sketch_of
from codetune_ui.engine.shelf import Entry, View, put, take

MOST_OPEN = 64  # files at a time


class Kept(NamedTuple):
    """A kept file as its part knows it; `runs` are those in the part's file, -1 for no sketch."""

    path: str
    group: str
    size: int
    changed: float
    weight: float
    place: int
    hash: str
    forced: bool
    words: int
    runs: int


class PartWriter:
    """Takes in what one task reads; use as a context, at whose end the part is whole."""

    def __init__(self, folder: Path, number: int, *, sketches: bool) -> None:
        folder.mkdir(exist_ok=True)
        self._stem = str(folder / f"{number:05d}")
        self._sketches = sketches
        self._keys: list[list[int]] = []
        self._place = 0
        self._files = ExitStack()

    def __enter__(self) -> PartWriter:
        names = ("items", "texts", "runs")
        opened = [Path(f"{self._stem}.{name}.part").open("wb") for name in names]  # noqa: SIM115
        self._items, self._texts, self._runs = map(self._files.enter_context, opened)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._files.close()
        if kind is not None:
            return
        with Path(f"{self._stem}.keys.part").open("wb") as file:
            np.save(file, np.array(self._keys, np.uint64).reshape(-1, BANDS).T)
        for name in ("keys", "runs", "texts", "items"):
            Path(f"{self._stem}.{name}.part").replace(f"{self._stem}.{name}")

    def add(self, item: Document | Dropped, forced: bool) -> None:
        """Put a file at the end."""
        line: Sequence[Any] = (item.path, str(item.reason)) if isinstance(item, Dropped) else ()
        self._items.write(f"{json.dumps(line or self._kept(item, forced))}\n".encode("ascii"))

    def _kept(self, document: Any, forced: bool) -> Kept:
        sketch = sketch_of(document.text) if self._sketches else None
        if sketch is not None:
            self._runs.write(sketch.runs.tobytes())
            self._keys.append(sketch.keys)
        kept = Kept(
            path=document.path,
            group=document.group,
            size=document.size,
            changed=document.changed,
            weight=document.weight,
            place=self._place,
            hash=text_hash(document.text).hex(),
            forced=forced,
            words=sketch.size if sketch else 0,
            runs=len(sketch.runs) if sketch else -1,
        )
        self._place += put(self._texts, document)
        return kept


class ReadPart:
    """A part that a task has read."""

    def __init__(self, folder: Path, number: int) -> None:
        self._stem = str(folder / f"{number:05d}")
        self.keys: NDArray[np.uint64] = np.load(f"{self._stem}.keys", mmap_mode="r")
        self.texts = Path(f"{self._stem}.texts")

    def items(self) -> Iterator[Kept | tuple[str, str]]:
        """Yield its files in their order: kept, or a path and why it is dropped."""
        with Path(f"{self._stem}.items").open(encoding="ascii") as lines:
            for line in lines:
                values = json.loads(line)
                yield (values[0], values[1]) if len(values) == 2 else Kept(*values)

    def sketches(self) -> Iterator[Sketch]:
        """Yield the sketches of those kept files that have one."""
        with Path(f"{self._stem}.items").open(encoding="ascii") as lines:
            sizes = [values[-2:] for line in lines if len(values := json.loads(line)) > 2]
        place = 0
        runs = np.fromfile(f"{self._stem}.runs", np.uint32)
        known = [(words, count) for words, count in sizes if count >= 0]
        for (words, count), keys in zip(known, self.keys.T, strict=True):
            yield Sketch(runs[place : place + count], words, [int(key) for key in keys])
            place += count


class Parts:
    """The texts of all parts, as if they lay in one file, part after part."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        sizes = [file.stat().st_size for file in files]
        self.starts: list[int] = [0, *np.cumsum(sizes).tolist()][:-1]
        self._open: OrderedDict[int, IO[bytes]] = OrderedDict()

    def read(self, entry: Entry) -> Document:
        """Return a document under its entry's path."""
        number = bisect.bisect_right(self.starts, entry.place) - 1
        return take(self._file(number), entry.place - self.starts[number], entry)

    def view(self, entries: Sequence[Entry]) -> View:
        """Return some of the documents, in this order."""
        return View(self, entries)

    def close(self) -> None:
        """Let go of the files."""
        while self._open:
            self._open.popitem()[1].close()

    def _file(self, number: int) -> IO[bytes]:
        if number not in self._open:
            if len(self._open) == MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[number] = self._files[number].open("rb")
        self._open.move_to_end(number)
        return self._open[number]


def texts_of(folder: Path, parts: int) -> Parts:
    """Return the texts that the tasks of a preparation have read."""
    return Parts([folder / f"{number:05d}.texts" for number in range(parts)])
