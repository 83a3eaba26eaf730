"""A source in portions of about equal size, so that several processes can read it, each its own.

A file of a folder is one thing to read; an archive or a table is one as a whole. They are counted
in the order of `source.read_sources`, so the portions one after the other are the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from codetune_ui.core.admit import Rules
from codetune_ui.core.clean import name_rules
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.history import seconds_of
from codetune_ui.core.source import Items, NamedRules, of_source, read_found, read_place
from codetune_ui.core.sources import SourceSpec, parse_sources, short_names
from codetune_ui.core.walk import Found, walk

Place = Callable[[str], Path]


class Unread(NamedTuple):
    """What nobody has read yet: its bytes on disk, and how it is read."""

    size: int
    read: Callable[[], Items]


def unread(config: Config, place_of: Place) -> Iterator[Unread]:
    """Yield all that the sources hold; `place_of` says where on this machine one lies."""
    specs = parse_sources(config.source)
    names = short_names(specs) if len(specs) > 1 else [""]
    rules = name_rules(config.include, config.exclude, config.force_in)
    for spec, name in zip(specs, names, strict=True):
        own = NamedRules(rules, name)
        for one in _of_place(spec, place_of(spec.place), config, own):
            yield Unread(one.size, partial(_named, one, name, spec.weight))


def portion(found: Iterable[Unread], number: int, portions: int, size: int) -> Items:
    """Read one portion of so many; `size` is that of all there is.

    >>> text = [Document(name, name, "", "") for name in "abcd"]
    >>> found = [Unread(1, partial(iter, (one,))) for one in text]
    >>> [[one.path for one in portion(found, number, 2, 4)] for number in (0, 1)]
    [['a', 'b'], ['c', 'd']]
    """
    begins = 0
    for one in found:
        if min(begins * portions // max(1, size), portions - 1) == number:
            yield from one.read()
        begins += one.size


def _named(one: Unread, name: str, weight: float) -> Items:
    return of_source(one.read(), name, weight)


def _of_place(spec: SourceSpec, place: Path, config: Config, rules: Rules) -> Iterator[Unread]:
    if not place.is_dir():
        read = partial(read_place, str(place), config, rules, demo_code=place)
        yield Unread(place.stat().st_size if place.is_file() else 0, read)
        return
    since = seconds_of(config.held_out_after)
    for item in walk(place, rules, since=since, git=spec.place != DEMO):
        if isinstance(item, Dropped):
            yield Unread(0, partial(iter, (item,)))
        else:
            yield Unread(item.size, partial(_read, item, rules))


def _read(item: Found, rules: Rules) -> Iterator[Document | Dropped]:
    yield read_found(item, rules)
