"""Where code comes from: the demo, a folder, a .zip, a table; each streams documents.

A Hub dataset (hub:OWNER/NAME) needs the network, so the engine reads it, row by row, with the same
`document_from_row`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from codetune_ui.core.admit import admit_file
from codetune_ui.core.archive import read_zip
from codetune_ui.core.clean import NameRules, name_rules
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.errors import SourceError
from codetune_ui.core.table import READERS, document_from_row, read_table
from codetune_ui.core.walk import read_regular, walk

__all__ = ["Document", "Dropped", "document_from_row", "is_hub_source", "read_source"]

FILES = (".zip", *READERS)


def is_hub_source(source: str) -> bool:
    """Return whether a source is a Hub dataset.

    >>> is_hub_source("hub:smangrul/hf-stack-v1"), is_hub_source("/home/me/code")
    (True, False)
    """
    return source.startswith("hub:")


def read_source(config: Config, *, demo_code: Path) -> Iterator[Document | Dropped]:
    """Yield everything that a source on this machine holds, kept or dropped with a reason.

    Raises `SourceError` at once when there is no such source, and at the end when none of it is
    code.
    """
    place = demo_code if config.source == DEMO else _place(config.source)
    rules = name_rules(config.include, config.exclude)
    if place.is_dir():
        return _told(_read_folder(place, rules), config)
    suffix = place.suffix.lower()
    if suffix == ".zip":
        return _told(read_zip(place, rules), config)
    if suffix in READERS:
        return _told(read_table(place, config), config)
    raise SourceError(
        f"'{place.name}' is not a source of code.",
        f"Give its folder, or a file that ends in {', '.join(FILES)}.",
    )


def _place(source: str) -> Path:
    """Return the folder or file that a person named, or say that it is not there."""
    if not source:
        raise SourceError("No source code is named.", "Give a folder, or choose the demo.")
    try:
        place = Path(source).expanduser()
        if place.is_dir() or place.is_file():
            return place
        there = place.exists()
    except (OSError, RuntimeError, ValueError) as error:  # forbidden, too long, ~nobody
        raise SourceError(f"'{source}' cannot be opened: {error}.", "Check the path.") from error
    if there:
        raise SourceError(f"'{source}' is neither a folder nor a file.", "Give a folder.")
    raise SourceError(
        f"There is no folder or file '{source}'.",
        "Check the path, or write hub:OWNER/NAME for a dataset on the Hub.",
    )


def _read_folder(root: Path, rules: NameRules) -> Iterator[Document | Dropped]:
    for item in walk(root):
        if isinstance(item, Dropped):
            yield item
        else:
            path, file = item
            yield admit_file(path, partial(read_regular, file), rules)


def _told(found: Iterator[Document | Dropped], config: Config) -> Iterator[Document | Dropped]:
    """Hand on, and say so at the end when there was no code at all."""
    documents = 0
    reasons: Counter[str] = Counter()
    for item in found:
        yield item
        if isinstance(item, Dropped):
            reasons[str(item.reason)] += 1
            continue
        documents += 1
    if not documents:
        name = "the demo code" if config.source == DEMO else f"'{config.source}'"
        raise SourceError(f"There is no code in {name}.", f"{_holds(reasons)} Choose another one.")


def _holds(reasons: Counter[str]) -> str:
    if not reasons:
        return "It is empty."
    several = "file" if reasons.total() == 1 else "files"
    counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
    return f"It holds {reasons.total():,} {several}: {counts}."
