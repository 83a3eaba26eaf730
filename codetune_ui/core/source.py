"""Where code comes from: the demo, a folder, an archive, a table; each streams documents.

A Hub dataset (hub:OWNER/NAME) and a git URL need the network, so the engine reads the one row by
row with the same `document_from_row`, and hands the other on as the folder it was fetched into.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from codetune_ui.core.admit import NONE, Rules, admit_file
from codetune_ui.core.archive import TAR_ENDINGS, read_tar, read_zip
from codetune_ui.core.clean import NameRules, name_rules
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.disk import read_regular
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import SourceError
from codetune_ui.core.history import seconds_of
from codetune_ui.core.sources import (
    check_git_url,
    is_git_url,
    is_hub_source,
    masked,
    parse_sources,
    short_names,
)
from codetune_ui.core.table import READERS, document_from_row, read_table
from codetune_ui.core.walk import Found, walk

__all__ = ["Document", "Dropped", "document_from_row", "is_hub_source", "read_source"]

FILES = (".zip", *TAR_ENDINGS, *READERS)

Items = Iterator[Document | Dropped]
T = TypeVar("T")
Reader = Callable[[str, Config, Rules], Items]


class NamedRules:
    """The rules for one of several sources: patterns see paths as the scan shows them."""

    def __init__(self, rules: NameRules, name: str) -> None:
        self._rules, self._before = rules, f"{name}/" if name else ""

    def forces(self, path: str) -> bool:
        """Return whether the person wants this file whatever the rules say."""
        return self._rules.forces_some and self._rules.forces(self._before + path)

    def most_bytes(self, path: str) -> int:
        """Return how large this file may be."""
        return self._rules.most_bytes(self._before + path)

    def reason(self, path: str, pardoned: frozenset[DropReason] = NONE) -> DropReason | None:
        """Return why a path is left out before it is opened, None when it is wanted."""
        return self._rules.reason(self._before + path, pardoned)


def read_sources(config: Config, read: Reader, *, alternate: bool = False) -> Items:
    """Yield what every source of the config holds, one after the other, or a file of each in turn.

    `read(place, config, rules)` opens one. Of several each path and group begins with its source's
    short name, so that none is met twice and none is split together with another's.
    """
    specs = parse_sources(config.source)
    names = short_names(specs) if len(specs) > 1 else [""]
    rules = name_rules(config.include, config.exclude, config.force_in)
    seconds_of(config.held_out_after)  # refused before anything is read
    opened = [
        of_source(read(spec.place, config, NamedRules(rules, name)), name, spec.weight)
        for spec, name in zip(specs, names, strict=True)
    ]
    return take_turns(opened) if alternate else (item for items in opened for item in items)


def take_turns(opened: Iterable[Iterator[T]]) -> Iterator[T]:
    """Yield an item of each in turn, until all have ended.

    >>> "".join(take_turns([iter("abc"), iter("x")]))
    'axbc'
    """
    waiting = deque(opened)
    while waiting:
        items = waiting.popleft()
        for item in itertools.islice(items, 1):
            yield item
            waiting.append(items)


def of_source(items: Items, name: str, weight: float) -> Items:
    """Hand on what one of several sources holds, under its name and with its weight."""
    before = f"{name}/" if name else ""
    if not before and weight == 1:
        yield from items
        return
    for item in items:
        if isinstance(item, Document):
            group = before + item.group
            yield replace(item, path=before + item.path, group=group, weight=weight)
        else:
            yield replace(item, path=before + item.path) if before else item


def read_source(config: Config, *, demo_code: Path) -> Items:
    """Yield everything that the config's sources on this machine hold, kept or dropped.

    Raises `SourceError` at once when there is no such source, and at the end of one when none of
    it is code.
    """

    def read(place: str, config: Config, rules: Rules) -> Items:
        return read_place(place, config, rules, demo_code=demo_code)

    return read_sources(config, read)


def open_sources(config: Config, *, demo_code: Path) -> None:
    """Open every source on this machine and read one file of each; raise what is wrong with it."""

    def read(place: str, config: Config, rules: Rules) -> Items:
        if is_git_url(place):
            check_git_url(place)
        if is_hub_source(place) or is_git_url(place):
            return iter(())  # nothing more to see without the network
        first = next(read_place(place, config, rules, demo_code=demo_code), None)
        return iter(() if first is None else (first,))

    seconds_of(config.held_out_after)
    read_sources(config.replace(held_out_after=""), read)  # reading history may take a while


def read_place(
    place: str, config: Config, rules: Rules, *, demo_code: Path, called: str = ""
) -> Items:
    """Yield what one folder or file holds; `called` is its name in an error."""
    demo = place == DEMO
    path = demo_code if demo else _path(place)
    name = "the demo code" if demo else f"'{called or place}'"
    if path.is_dir():
        since = seconds_of(config.held_out_after)
        # the demo may lie in a checkout of this very app
        return _told(_read_folder(path, rules, since, git=not demo), name)
    lower = path.name.lower()
    if lower.endswith(".zip"):
        return _told(read_zip(path, rules), name)
    if lower.endswith(TAR_ENDINGS):
        return _told(read_tar(path, rules), name)
    if path.suffix.lower() in READERS:
        return _told(read_table(path, config, rules), name)
    raise SourceError(
        f"'{path.name}' is not a source of code.",
        f"Give its folder, or a file that ends in {', '.join(FILES)}.",
    )


def _path(source: str) -> Path:
    """Return the folder or file that a person named, or say that it is not there."""
    if not source:
        raise SourceError("No source code is named.", "Give a folder, or choose the demo.")
    if is_git_url(source):
        raise SourceError(
            f"'{masked(source)}' must be fetched first.",
            "Scan it, or clone it and give the folder.",
        )
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
        f"There is no folder or file '{masked(source)}'.",
        "Check the path, write hub:OWNER/NAME for a dataset on the Hub, or a git URL with https://.",
    )


def _read_folder(root: Path, rules: Rules, since: float, *, git: bool) -> Items:
    for item in walk(root, rules, since=since, git=git):
        if isinstance(item, Dropped):
            yield item
        else:
            yield read_found(item, rules)


def read_found(item: Found, rules: Rules) -> Document | Dropped:
    """Read one file of a folder."""
    read = partial(read_regular, item.file)
    return admit_file(item.path, read, rules, pardoned=item.pardoned, changed=item.changed)


def _told(found: Iterable[Document | Dropped], name: str) -> Items:
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
        raise SourceError(f"There is no code in {name}.", f"{_holds(reasons)} Choose another one.")


def _holds(reasons: Counter[str]) -> str:
    if not reasons:
        return "It is empty."
    several = "file" if reasons.total() == 1 else "files"
    counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
    return f"It holds {reasons.total():,} {several}: {counts}."
