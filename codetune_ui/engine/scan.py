"""A scan: what a source holds, kept and dropped, and how long it is in the model's own tokens.

files.jsonl       every file as it is read, with a reason told from its name or its content
documents.jsonl   the kept documents with their text and their side of the split, at the end
report.json       all counts, at the end; also when there is too little code to be split

A source on this machine that has not changed since an earlier scan is not read again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.errors import FamilyError, SourceError
from codetune_ui.core.families import evidence, find_format
from codetune_ui.core.leak import leak
from codetune_ui.core.sources import is_hub_source, parse_sources
from codetune_ui.core.split import split_documents
from codetune_ui.core.tally import ScanReport
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.hub import hub_offers, parse_source, resolve_model
from codetune_ui.engine.prepare import STREAM_BLOCK, read_documents
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.engine.scan_cache import ScanCache, scan_key
from codetune_ui.engine.token_counter import TokenCounter, TokenCounts
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.store import Run

TELL_S = 0.2


def scan(run: Run, reporter: Reporter, stop: StopWish) -> None:
    """Read the source of a scan's config and write its three files; a wish to stop cancels it."""
    config = run.config()
    folder = resolve_model(config, weights=False)
    tokenizer_hash = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    cache, key = ScanCache(run.home), scan_key(config, tokenizer_hash, STREAM_BLOCK)
    stop.check()
    report = cache.take(key, run) if key else None
    tokenizer = CodeTokenizer.from_folder(folder)
    # The folder, not the Hub's name: the page reads the tokenizer in it without a network.
    about = {"model": str(folder), **_family(tokenizer, folder, config)}
    if report is None:
        about["from_cache"] = False
        counts = TokenCounts(run.home, tokenizer_hash)
        report = _scan_anew(run, config, tokenizer, counts, about, reporter, stop)
        if key:
            cache.keep(key, run, report)
    else:
        about["from_cache"] = True
        _tell(reporter, report["found"], report["kept"], report["characters"], report["found"])
    replace_json(run.path / "report.json", report | about)


def _scan_anew(
    run: Run,
    config: Config,
    tokenizer: CodeTokenizer,
    counts: TokenCounts,
    about: dict[str, Any],
    reporter: Reporter,
    stop: StopWish,
) -> dict[str, Any]:
    """Read, count and split; what was read is reported also when it is too little."""
    report = ScanReport(config.max_seq_len, redacted=config.secrets == "redact")
    try:
        with TokenCounter(tokenizer, counts) as counter:
            documents = _read(run, config, report, counter, reporter, stop)
            reporter.phase("Counting tokens")
            report.set_tokens(counter.finish())
        stop.check()
        train, held_out = split_documents(documents, config)
    except SourceError:
        offers = {"offers": _offers(config)}
        replace_json(
            run.path / "report.json", report.to_dict() | about | offers
        )  # with the reasons
        raise
    report.set_split(train, held_out)
    reporter.phase("Comparing both sides")
    report.leak = asdict(leak(train, held_out))
    _write_documents(run, train, held_out)
    return report.to_dict() | {"offers": _offers(config)}


def _family(tokenizer: CodeTokenizer, folder: Path, config: Config) -> dict[str, Any]:
    """Name the FIM family; a tokenizer without one does not keep the files from being counted."""
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


def _read(
    run: Run,
    config: Config,
    report: ScanReport,
    counter: TokenCounter,
    reporter: Reporter,
    stop: StopWish,
) -> list[Document]:
    """Take in the source; files and counts reach the disk while it is read."""
    documents: list[Document] = []
    with (run.path / "files.jsonl").open("w", encoding="utf-8") as file:
        told = _Told(file, report, reporter, stop)
        found = read_documents(config, cancelled=lambda: bool(stop()), on_read=told.read)
        for item in _sample(found, config):
            report.add(item)
            if isinstance(item, Document):
                documents.append(item)
                counter.add(item.path, item.text)
            told.tick()
        told.now()
    return documents


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


def _write_documents(run: Run, train: Sequence[Document], held_out: Sequence[Document]) -> None:
    """Write the texts line by line: all of them as one string would double the memory."""
    scratch = run.path / "documents.part"
    with scratch.open("w", encoding="utf-8", newline="\n") as file:
        for split, side in (("train", train), ("val", held_out)):
            for document in side:
                line = {
                    "path": document.path,
                    "language": document.language,
                    "group": document.group,
                    "split": split,
                    "text": document.text,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    scratch.replace(run.path / "documents.jsonl")
