"""What a run's rows are cut from: a kept scan, a small source whole, or a large one in blocks.

So the first row waits for a second of reading, not for the last file.

dataset/begun.json        which of these a run began with; resumed, it goes on with the same
dataset/documents.jsonl   while rows are cut from a scan: its documents, and where each lies
dataset/index.jsonl
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from codetune_ui.core.archive import TAR_ENDINGS
from codetune_ui.core.assets import DEMO_CODE
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.errors import SourceError
from codetune_ui.core.listing import Listed, in_turn, list_sources
from codetune_ui.core.pipeline import collect
from codetune_ui.core.sources import check_git_url, is_git_url, is_hub_source, parse_sources
from codetune_ui.core.split import Split, choose_split, held_out_share
from codetune_ui.engine.fetch import fetch
from codetune_ui.engine.reading import STREAM_BLOCK, read_documents
from codetune_ui.engine.scan_cache import DOCUMENTS, ScanCache, scan_key
from codetune_ui.engine.shelf import Entry, Scanned, Shelf, Texts
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.store import Home, Run

WHOLE = 2_000_000  # bytes of a source that is read whole at once
FIRST_BLOCK = 700_000  # characters to train on that are read before the first row is cut
MOST_HELD_OUT = 700_000  # bytes of held-out files that are read at first, and measured on
FIRST_FILES, MOST_HELD_OUT_FILES = 400, 800  # and no more, of small ones: each takes a millisecond
GROWTH, LARGEST_BLOCK = 4, 16_000_000
PACKED = 5  # times as many bytes as a compressed file may hold
# of a large tree are listed before the first row (0.12 s) and give its held-out side
FIRST_LISTED = 10_000
MOST_SHARE = 0.5  # of a first block: a few files must give enough to measure on


@dataclass(frozen=True)
class Beginning:
    """The documents that are known at first, by side, and where more come from."""

    texts: Texts
    train: list[Entry]
    held_out: list[Entry]
    count: Callable[[], int | None]
    """Count the characters to train on, each as often as its weight says; None: nobody knows.

    Of a large tree the names are still to be listed for that: after the first row.
    """
    more: Iterator[list[Entry]] = field(default_factory=lambda: iter(()))


def begins_from_scan(run: Run, tokenizer: str) -> bool:
    """Decide, once for all attempts of a run, whether it is made from a scan or from its source.

    `tokenizer` is its hash. A scan must be one of the source as it is now.
    """
    folder = run.dataset_dir
    noted = read_json(folder / "begun.json")
    if noted is None:
        cache, config = ScanCache(run.home), run.config()
        known = cache.knows(config, tokenizer, STREAM_BLOCK)
        key = scan_key(config, tokenizer, STREAM_BLOCK) if known else None
        lent = key is not None and cache.lend(key, folder)
        noted = {"from": "scan" if lent else "source"}
        replace_json(folder / "begun.json", noted)
    return noted.get("from") == "scan"


def begin(run: Run, shelf: Shelf, *, from_scan: bool) -> Beginning:
    """Return where a run begins; what is read of its source goes to the shelf."""
    return _from_scan(run.dataset_dir) if from_scan else _from_source(run.config(), shelf)


def end(run: Run) -> None:
    """Drop what only a resumed preparation would need."""
    for name in DOCUMENTS:
        (run.dataset_dir / name).unlink(missing_ok=True)


def _from_scan(folder: Path) -> Beginning:
    """Return the documents of the scan and their sides as it showed them; nothing is read."""
    try:
        texts = Scanned(*(folder / name for name in DOCUMENTS))
    except (OSError, ValueError) as error:
        message = "The scanned code that this run is made from is gone."
        raise SourceError(message, "Start a new run.") from error
    return _known(texts, texts.train, texts.held_out)


def _from_source(config: Config, shelf: Shelf) -> Beginning:
    whole = bool(config.max_documents or config.held_out_after)
    on_hub = any(is_hub_source(spec.place) for spec in parse_sources(config.source))
    listing = None if whole or on_hub else list_sources(config, _local)
    listed = list(itertools.islice(listing or (), FIRST_LISTED))
    size = None if whole or on_hub else _size(config, None if listing is None else listed)
    if whole or (size is not None and size <= WHOLE and len(listed) < FIRST_LISTED):
        return _all(shelf.put(_kept(read_documents(config, refresh=False))), config, shelf)
    if listing is not None:
        return _from_list(listed, listing, config, shelf)
    return _from_stream(config, shelf, size)


def _from_stream(config: Config, shelf: Shelf, size: int | None) -> Beginning:
    """Take the sides of the first documents; groups that come later are trained on."""
    several = len(parse_sources(config.source)) > 1
    documents = _kept(read_documents(config, refresh=False, alternate=several))
    first = shelf.put(_block(documents, FIRST_BLOCK + MOST_HELD_OUT))
    one = next(documents, None)
    if one is None:
        return _all(first, config, shelf)
    split = choose_split(first, config, _share(first, size, config)).frozen(first)
    return _blockwise(first, split, itertools.chain([one], documents), shelf, lambda: size)


def _from_list(
    listed: list[Listed], others: Iterator[Listed], config: Config, shelf: Shelf
) -> Beginning:
    """Choose the sides by names and sizes, then read what is held out and some of the rest.

    What was not listed is trained on, but for groups that were met: it is listed when it is wanted.
    """
    split = choose_split(listed, config)
    if len(listed) == FIRST_LISTED:
        split = split.frozen(listed)

    @functools.cache
    def rest() -> list[Listed]:
        return list(in_turn(list(others), split, 0, 0))

    order = list(in_turn(listed, split, MOST_HELD_OUT, MOST_HELD_OUT_FILES))
    sizes = [file.size for file in itertools.takewhile(split.holds_out, order)]
    held_out = sum(sizes)
    documents = _kept(collect(_read(order, rest), config))
    first = shelf.put(_block(documents, held_out + FIRST_BLOCK, len(sizes) + FIRST_FILES))
    sides = {split.holds_out(entry) for entry in first}
    if len(sides) < 2:  # all files of one side were left out when they were read
        split = choose_split(first, config).frozen(first)

    def count() -> int:
        return sum(file.size for file in [*order, *rest()]) - held_out

    return _blockwise(first, split, documents, shelf, count)


def _read(first: list[Listed], rest: Callable[[], list[Listed]]) -> Iterator[Document | Dropped]:
    for file in first:
        yield file.read()
    for file in rest():
        yield file.read()


def _blockwise(
    first: list[Entry],
    split: Split,
    documents: Iterator[Document],
    shelf: Shelf,
    expect: Callable[[], int | None],
) -> Beginning:
    more = _blocks(shelf, documents, split)
    train = [entry for entry in first if not split.holds_out(entry)]
    held_out = [entry for entry in first if split.holds_out(entry)]

    def count() -> int | None:
        expected = expect()
        return None if expected is None else max(expected, _characters(train))

    return Beginning(shelf, train, held_out, count, more)


def _all(entries: list[Entry], config: Config, shelf: Shelf) -> Beginning:
    split = choose_split(entries, config)
    train = [entry for entry in entries if not split.holds_out(entry)]
    held_out = [entry for entry in entries if split.holds_out(entry)]
    return _known(shelf, train, held_out)


def _known(texts: Texts, train: list[Entry], held_out: list[Entry]) -> Beginning:
    return Beginning(texts, train, held_out, lambda: _characters(train))


def _share(first: list[Entry], size: int | None, config: Config) -> float:
    """Return how much of a first block to hold out, so that it does for all that comes after."""
    if size is None:
        return config.held_out_share or MOST_SHARE
    characters = sum(entry.size for entry in first)
    return min(MOST_SHARE, held_out_share(size, config) * max(1.0, size / characters))


def _blocks(shelf: Shelf, documents: Iterator[Document], split: Split) -> Iterator[list[Entry]]:
    """Yield the rest in ever larger blocks, without what falls on the held-out side."""
    most = FIRST_BLOCK
    while True:
        most = min(GROWTH * most, LARGEST_BLOCK)
        block = _block(documents, most)
        one = next(block, None)
        if one is None:
            return
        rest = itertools.chain([one], block)
        if entries := shelf.put(document for document in rest if not split.holds_out(document)):
            yield entries


def _block(
    documents: Iterator[Document], most: int, files: int | None = None
) -> Iterator[Document]:
    """Yield documents until there are so many characters, or `files` (`STREAM_BLOCK`) of them."""
    characters = 0
    for document in itertools.islice(documents, files or STREAM_BLOCK):
        yield document
        characters += len(document.text)
        if characters >= most:
            return


def _kept(found: Iterator[Document | Dropped]) -> Iterator[Document]:
    return (item for item in found if isinstance(item, Document))


def _characters(entries: list[Entry]) -> int:
    return round(sum(entry.size * entry.weight for entry in entries))


def _size(config: Config, listed: list[Listed] | None) -> int:
    """Return about how many bytes of code the sources hold; all of them are on this machine."""
    if listed is not None:
        return sum(file.size for file in listed)
    total = 0
    for spec in parse_sources(config.source):
        place = _local(spec.place)
        alone = config.replace(source=spec.place)
        inside = list_sources(alone, _local)
        if inside is not None:
            total += sum(file.size for file in inside)
        elif place is not None and place.is_file():  # what is not there is told by the reading
            packed = place.name.lower().endswith((".parquet", *TAR_ENDINGS[1:]))
            total += place.stat().st_size * (PACKED if packed else 1)
    return total


def _local(place: str) -> Path | None:
    """Return where a source lies on this machine, None for a Hub dataset."""
    if is_hub_source(place):
        return None
    if is_git_url(place):
        check_git_url(place)
        return fetch(place, Home.current(), history=False, refresh=False)
    return DEMO_CODE if place == DEMO else Path(place).expanduser()
