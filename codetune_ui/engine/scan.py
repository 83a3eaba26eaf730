"""A scan: what a source holds, kept and dropped, and how long it is in the model's own tokens.

files.jsonl       every file as it is read, with a reason told from its name or its content
documents.jsonl   the kept documents with their text and their side of the split, at the end
index.jsonl       where each of them begins in it, for who needs one and not all
report.json       all counts, at the end; also when there is too little code to be split

A source on this machine that has not changed since an earlier scan is not read again. The kept
texts lie in a scratch file while it is read: memory grows with the number of files (3 to 4 kB
each, most of it to know near-copies; at most 7), not with their length.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.errors import FamilyError, SourceError
from codetune_ui.core.leak import leak, sample
from codetune_ui.core.sources import is_hub_source, parse_sources
from codetune_ui.core.split import split_documents
from codetune_ui.core.tally import ScanReport
from codetune_ui.engine.hub import hub_offers, parse_source, resolve_model
from codetune_ui.engine.reading import STREAM_BLOCK, read_documents
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.engine.scan_cache import ScanCache, scan_key
from codetune_ui.engine.shelf import Entry, Shelf, index_line
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.store import Home, Run

if TYPE_CHECKING:
    from codetune_ui.core.tokens import CodeTokenizer
    from codetune_ui.engine.token_counter import TokenCounter

TELL_S = 0.2
SHOWN_AT_ONCE = 100  # files; as many as a page of the table


@dataclass(frozen=True)
class _Job:
    """What every part of a scan is given."""

    run: Run
    config: Config
    reporter: Reporter
    stop: StopWish

    def watched(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Hand on, and leave when somebody wants to: ten gigabytes take minutes."""
        for number, document in enumerate(documents):
            if number % 100 == 0:
                self.stop.check()
            yield document


class _Model:
    """The model's folder; its tokenizer is loaded when it is asked for, after the first files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hash = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()

    @cached_property
    def tokenizer(self) -> CodeTokenizer:
        from codetune_ui.core.tokens import CodeTokenizer

        return CodeTokenizer.from_folder(self.folder)

    def counter(self, home: Home) -> TokenCounter:
        from codetune_ui.engine.token_counter import TokenCounter, TokenCounts

        return TokenCounter(self.tokenizer, TokenCounts(home, self.hash))

    def about(self, config: Config) -> dict[str, Any]:
        """Say which model this is: the folder, which the page reads without a network."""
        return {"model": str(self.folder), **_family(self.tokenizer, self.folder, config)}


def scan(run: Run, reporter: Reporter, stop: StopWish) -> None:
    """Read the source of a scan's config and write its three files; a wish to stop cancels it."""
    config = run.config()
    model = _Model(resolve_model(config, weights=False))
    cache, key = ScanCache(run.home), scan_key(config, model.hash, STREAM_BLOCK)
    stop.check()
    report = cache.take(key, run) if key else None
    from_cache = report is not None
    if report is None:
        report = _scan_anew(_Job(run, config, reporter, stop), model)
        if key:
            cache.keep(key, run, report)
    else:
        _tell(reporter, report["found"], report["kept"], report["characters"], report["found"])
    about = model.about(config) | {"from_cache": from_cache}
    replace_json(run.path / "report.json", report | about)


def _scan_anew(job: _Job, model: _Model) -> dict[str, Any]:
    """Read, count and split; what was read is reported also when it is too little."""
    config = job.config
    report = ScanReport(config.max_seq_len, redacted=config.secrets == "redact")
    with Shelf(job.run.path) as shelf:
        try:
            entries = _read(job, shelf, report, model)
            job.stop.check()
            train, held_out = split_documents(entries, config)
        except SourceError:
            about = model.about(config) | {"from_cache": False, "offers": _offers(config)}
            replace_json(job.run.path / "report.json", report.to_dict() | about)  # with the reasons
            raise
        del entries
        report.set_split(train, held_out)
        job.reporter.phase("Comparing both sides")
        report.leak = _leak(job, shelf, train, held_out)
        _write_documents(job, shelf.view(train), shelf.view(held_out))
    return report.to_dict() | {"offers": _offers(config)}


def _leak(
    job: _Job, shelf: Shelf, train: Sequence[Entry], held_out: Sequence[Entry]
) -> dict[str, Any]:
    some, share = sample(held_out)
    found = leak(job.watched(shelf.view(train)), shelf.view(some))
    return asdict(replace(found, looked_at=round(share, 4)))


def _family(tokenizer: CodeTokenizer, folder: Path, config: Config) -> dict[str, Any]:
    """Name the FIM family; a tokenizer without one does not keep the files from being counted."""
    from codetune_ui.core.families import evidence, find_format

    try:
        format = find_format(tokenizer, folder, config)
    except FamilyError as error:
        return {"family": None, "evidence": str(error)}
    if format is None:
        return {"family": None, "evidence": "Left to right only, as chosen."}
    return {"family": format.family.name, "evidence": evidence(format)}


def _offers(config: Config) -> dict[str, list[str]]:
    """Return what a Hub dataset has to choose from; not knowing it is no reason to fail."""
    if not is_hub_source(config.source) or len(parse_sources(config.source)) > 1:
        return {}
    name, split = parse_source(config.source)
    with suppress(SourceError):
        return hub_offers(
            name, data_config=config.data_config, split=split, data_dir=config.data_dir
        )
    return {}


def _read(job: _Job, shelf: Shelf, report: ScanReport, model: _Model) -> list[Entry]:
    """Take in the source and count its tokens; files and counts reach the disk meanwhile."""
    entries: list[Entry] = []
    with (job.run.path / "files.jsonl").open("w", encoding="utf-8") as file:
        told = _Told(file, report, job.reporter, job.stop)
        found = read_documents(job.config, cancelled=lambda: bool(job.stop()), on_read=told.read)
        items = _sample(found, job.config)
        first = list(itertools.islice(items, 1))  # by now some hundred files are on disk
        with model.counter(job.run.home) as counter:
            for item in itertools.chain(first, items):
                report.add(item)
                if isinstance(item, Document):
                    entries.append(shelf.append(item))
                    counter.add(item.path, item.text)
                told.tick()
            told.now()
            job.reporter.phase("Counting tokens")
            report.set_tokens(counter.finish())
    return entries


class _Told:
    """What is known while a scan goes on: the files read, then those decided upon."""

    def __init__(
        self, file: TextIO, report: ScanReport, reporter: Reporter, stop: StopWish
    ) -> None:
        self.file, self.report, self.reporter, self.stop = file, report, reporter, stop
        self.files = 0
        self._next = 0.0

    def read(self, item: Document | Dropped) -> None:
        """Note a file as it is read, before secrets and copies are looked for."""
        self.files += 1
        line = {"path": item.path, "language": item.language, "reason": None}
        if isinstance(item, Dropped):
            line |= {"reason": str(item.reason), "detail": item.detail}
        self.file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if self.files <= SHOWN_AT_ONCE:  # the scanner of secrets may keep the next ones waiting
            self.file.flush()
        if self.files in (1, SHOWN_AT_ONCE):
            self.now()
        self.tick()

    def tick(self) -> None:
        """Say the counts, five times a second; leave when somebody wants to."""
        if time.monotonic() >= self._next:
            self.stop.check()
            self.now()

    def now(self) -> None:
        """Say the counts."""
        self._next = time.monotonic() + TELL_S
        self.file.flush()
        report = self.report
        _tell(self.reporter, report.found, report.kept, report.characters, self.files)


def _sample(items: Iterator[Document | Dropped], config: Config) -> Iterator[Document | Dropped]:
    """Limit a Hub dataset, which may be terabytes, to what the training holds at a time."""
    most = STREAM_BLOCK if is_hub_source(config.source) else None
    kept = 0
    for item in items:
        yield item
        kept += isinstance(item, Document)
        if most is not None and kept >= most:
            return


def _tell(reporter: Reporter, found: int, kept: int, characters: int, read: int) -> None:
    counts = {"found": found, "kept": kept, "dropped": found - kept}
    reporter.event("scan", **counts, characters=characters, read=read)


def _write_documents(job: _Job, train: Iterable[Document], held_out: Iterable[Document]) -> None:
    """Write the texts line by line, each as it comes from the shelf, and where each line begins."""
    parts = [job.run.path / f"{name}.part" for name in ("documents", "index")]
    place = 0
    with parts[0].open("wb") as texts, parts[1].open("w", encoding="utf-8", newline="\n") as index:
        for split, side in (("train", train), ("val", held_out)):
            for document in job.watched(side):
                line = {
                    "path": document.path,
                    "language": document.language,
                    "group": document.group,
                    "split": split,
                    "text": document.text,
                }
                index.write(index_line(document, split, place))
                place += texts.write(f"{json.dumps(line, ensure_ascii=False)}\n".encode())
    for part in parts:
        part.replace(part.with_suffix(".jsonl"))
