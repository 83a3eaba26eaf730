"""Rows of .jsonl, .json, .parquet and .txt files, and one row as a Document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from codetune_ui.core.admit import UNKNOWN, Rules, admit_text
from codetune_ui.core.clean import name_rules
from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import SourceError
from codetune_ui.core.languages import LANGUAGES, language_of

# What public code datasets call a row's path, repository and language.
PATH_COLUMNS = (
    "path",
    "file_path",
    "max_stars_repo_path",
    "file_name",
    "filename",
    "filepath",
)
GROUP_COLUMNS = (
    "repo_id",
    "repo_name",
    "max_stars_repo_name",
    "repository_name",
    "repository",
    "repo",
    "group",
)
LANGUAGE_COLUMNS = ("language", "lang", "programming_language")
MOST_JSON = 500_000_000  # bytes that are parsed at once; .jsonl has no such limit
LONGEST_LINE = 50_000_000  # bytes; what comes after is skipped, not held
TEXT_PART = 4000  # characters of a .txt file that make one document, cut at a blank line

Row = Mapping[str, Any]


def document_from_row(
    row: Row, index: int, config: Config, rules: Rules | None = None
) -> Document | Dropped:
    """Return a table's or a Hub dataset's row as a document, or why it is left out.

    `rules` are the config's own where none are given. A row whose path says that it is no
    code is dropped; one without a path is taken at its word.
    """
    named, group = _first(row, PATH_COLUMNS), _first(row, GROUP_COLUMNS)
    path = "/".join(part.strip("/") for part in (group, named) if part) or f"row {index + 1}"
    if not named and group:
        path = f"{group}/row {index + 1}"
    said = _first(row, LANGUAGE_COLUMNS)
    language = language_of(named) if named else None
    language = language or LANGUAGES.get(said.lower(), said)
    rules = rules or name_rules(config.include, config.exclude, config.force_in)
    if named and (reason := rules.reason(path)):
        return Dropped(path, reason, language)
    text = row.get(config.data_column)
    if not isinstance(text, str):
        return Dropped(path, DropReason.NOT_TEXT, language)
    if named and not language and not rules.forces(path):
        return Dropped(path, DropReason.NOT_CODE)
    top = named.strip("/").partition("/")[0] if "/" in named.strip("/") else path
    return admit_text(text, path, language or UNKNOWN, group or top)


def _first(row: Row, names: tuple[str, ...]) -> str:
    found = (row[name] for name in names if isinstance(row.get(name), str) and row[name])
    value: str = next(found, "")
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def read_table(
    file: Path, config: Config, rules: Rules | None = None
) -> Iterator[Document | Dropped]:
    """Yield one document a row; a broken line is dropped, not the whole file.

    Raises `SourceError` when the first row lacks the column.
    """
    checked = False
    try:
        for index, row in enumerate(READERS[file.suffix.lower()](file, config)):
            if isinstance(row, Dropped):
                yield row
                continue
            if not checked:
                _check_column(row, file, config)
            checked = True
            yield document_from_row(row, index, config, rules)
    except OSError as error:
        raise SourceError(f"'{file.name}' cannot be read: {error}.", "Check the file.") from error


def _check_column(row: Row, file: Path, config: Config) -> None:
    if config.data_column not in row:
        raise SourceError(
            f"'{file.name}' has no column '{config.data_column}'.",
            f"Set 'Column' to one of: {', '.join(sorted(map(str, row)))}.",
        )


def _jsonl(file: Path, config: Config) -> Iterator[Row | Dropped]:
    with file.open("rb") as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            whole = line.endswith(b"\n") or len(line) < LONGEST_LINE
            while not whole:
                rest = stream.readline(LONGEST_LINE)
                whole = rest.endswith(b"\n") or len(rest) < LONGEST_LINE
                line = b"too long"
            if line.strip():
                yield _parsed(line, config) or Dropped(f"line {number}", DropReason.UNREADABLE)


def _parsed(line: bytes, config: Config) -> Row | None:
    try:
        return _as_row(json.loads(line.decode("utf-8-sig")), config)
    except (ValueError, RecursionError):
        return None


def _as_row(value: object, config: Config) -> Row | None:
    """Take an object as it is, a bare text as the column's."""
    if isinstance(value, str):
        return {config.data_column: value}
    return value if isinstance(value, dict) and value else None


def _json(file: Path, config: Config) -> Iterator[Row | Dropped]:
    if file.stat().st_size > MOST_JSON:
        raise SourceError(f"'{file.name}' is too large to be read whole.", "Use .jsonl instead.")
    try:
        rows = json.loads(file.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"'{file.name}' is not JSON.", "One object a line is .jsonl.") from error
    if isinstance(rows, dict):  # {"data": [...]}, as some tools wrap it
        rows = next((value for value in rows.values() if isinstance(value, list)), None)
    if not isinstance(rows, list):
        raise SourceError(f"'{file.name}' holds no list of objects.", "Use one object a row.")
    for number, row in enumerate(rows, start=1):
        yield _as_row(row, config) or Dropped(f"row {number}", DropReason.UNREADABLE)


def _parquet(file: Path, config: Config) -> Iterator[Row | Dropped]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as table:
            wanted = {config.data_column, *PATH_COLUMNS, *GROUP_COLUMNS, *LANGUAGE_COLUMNS}
            there = list(table.schema_arrow.names)
            _check_column(dict.fromkeys(there), file, config)
            columns = [name for name in there if name in wanted]
            for batch in table.iter_batches(batch_size=256, columns=columns):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        message = f"'{file.name}' cannot be read as a Parquet file."
        raise SourceError(message, "Check the file.") from error


def _text(file: Path, config: Config) -> Iterator[Row | Dropped]:
    """Cut one long text into parts at blank lines, so that some of it can be held out."""
    part: list[str] = []
    size = 0
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for line in lines:
                part.append(line)
                size += len(line)
                if size >= TEXT_PART and not line.strip():
                    yield {config.data_column: "".join(part)}
                    part, size = [], 0
    except UnicodeDecodeError as error:
        raise SourceError(f"'{file.name}' is not UTF-8 text.", "Save it as UTF-8.") from error
    if part:
        yield {config.data_column: "".join(part)}


READERS: dict[str, Callable[[Path, Config], Iterator[Row | Dropped]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
    ".txt": _text,
}
