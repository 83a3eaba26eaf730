"""A scan: what a source holds, kept and dropped, and how long it is in the model's own tokens.

files.jsonl       every file with its reason, while it is read
documents.jsonl   the kept documents with their text and their side of the split, at the end
report.json       all counts, at the end; also when there is too little code to be split
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from codetune_ui.core.config import Config
from codetune_ui.core.errors import FamilyError, SourceError
from codetune_ui.core.families import evidence, find_format
from codetune_ui.core.source import Document, Dropped, is_hub_source
from codetune_ui.core.split import split_documents
from codetune_ui.core.tally import ScanReport
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.hub import resolve_model
from codetune_ui.engine.prepare import STREAM_BLOCK, read_documents
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.runs.files import replace_json, replace_text
from codetune_ui.runs.store import Run

TELL_S = 0.2
BATCH_CHARACTERS = 1_000_000


def scan(run: Run, reporter: Reporter, stop: StopWish) -> None:
    """Read the source of a scan's config and write its three files; a wish to stop cancels it."""
    config = run.config()
    folder = resolve_model(config, weights=False)
    tokenizer = CodeTokenizer.from_folder(folder)
    # The folder, not the Hub's name: the page reads the tokenizer in it without a network.
    about = {"model": str(folder), **_family(tokenizer, folder, config)}
    report = ScanReport()
    try:
        documents = _read(run, config, report, reporter, stop)
        reporter.phase("Counting tokens")
        _count_tokens(documents, tokenizer, report, stop)
        train, held_out = split_documents(documents, config)
    except SourceError:
        replace_json(run.path / "report.json", report.to_dict() | about)  # the reasons are there
        raise
    report.set_split(train, held_out)
    _write_documents(run, train, held_out)
    replace_json(run.path / "report.json", report.to_dict() | about)


def _count_tokens(
    documents: Sequence[Document], tokenizer: CodeTokenizer, report: ScanReport, stop: StopWish
) -> None:
    for batch in _batches(documents):
        stop.check()
        counts = [len(ids) for ids in tokenizer.encode_batch([d.text for d in batch])]
        report.set_tokens(dict(zip([d.path for d in batch], counts, strict=True)))


def _family(tokenizer: CodeTokenizer, folder: Any, config: Config) -> dict[str, Any]:
    """Name the FIM family; a tokenizer without one does not keep the files from being counted."""
    try:
        format = find_format(tokenizer, folder, config)
    except FamilyError as error:
        return {"family": None, "evidence": str(error)}
    if format is None:
        return {"family": None, "evidence": "Left to right only, as chosen."}
    return {"family": format.family.name, "evidence": evidence(format)}


def _read(
    run: Run, config: Config, report: ScanReport, reporter: Reporter, stop: StopWish
) -> list[Document]:
    """Take in the source; files and counts reach the disk while it is read."""
    documents: list[Document] = []
    told = 0.0
    with (run.path / "files.jsonl").open("w", encoding="utf-8") as file:
        for item in _sample(read_documents(config), config):
            stop.check()
            report.add(item)
            _write_line(file, item)
            if isinstance(item, Document):
                documents.append(item)
            if time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                file.flush()
                _tell(report, reporter)
    _tell(report, reporter)
    return documents


def _sample(items: Iterator[Document | Dropped], config: Config) -> Iterator[Document | Dropped]:
    """Limit a Hub dataset, which may be terabytes, to what the training holds at a time."""
    most = STREAM_BLOCK if is_hub_source(config.source) else None
    kept = 0
    for item in items:
        yield item
        kept += isinstance(item, Document)
        if most is not None and kept >= most:
            return


def _tell(report: ScanReport, reporter: Reporter) -> None:
    reporter.event("scan", found=report.found, kept=report.kept, dropped=report.dropped)


def _write_line(file: TextIO, item: Document | Dropped) -> None:
    reason = str(item.reason) if isinstance(item, Dropped) else None
    line = {"path": item.path, "language": item.language, "reason": reason}
    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _write_documents(run: Run, train: Sequence[Document], held_out: Sequence[Document]) -> None:
    lines = [
        json.dumps(
            {
                "path": document.path,
                "language": document.language,
                "group": document.group,
                "split": split,
                "text": document.text,
            },
            ensure_ascii=False,
        )
        for split, side in (("train", train), ("val", held_out))
        for document in side
    ]
    replace_text(run.path / "documents.jsonl", "\n".join(lines) + "\n")
