"""What sources hold by name and size, before any of it is read: so that a fair sample comes first.

A folder, a git checkout and a .zip say at once which files there are; a table and a .tar are only
known by reading them. The files that are to be held out come first, then those of the training, in
an order shuffled by the hash of their path: the first megabyte is then of all the code, not of one
directory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from codetune_ui.core.admit import Rules, admit_file
from codetune_ui.core.archive import Member, list_zip
from codetune_ui.core.clean import MOST_BYTES, name_rules
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.disk import read_regular
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.languages import language_of
from codetune_ui.core.source import NamedRules, of_source, take_turns
from codetune_ui.core.sources import parse_sources, short_names
from codetune_ui.core.split import Split, place_of
from codetune_ui.core.walk import Found, walk_shuffled

LocalPlace = Callable[[str], Path | None]


class Listed(NamedTuple):
    """A file of code that nobody has read yet: what decides its side, and how it is read.

    `size` is in bytes, which stands for the characters of a `Document`.
    """

    path: str
    group: str
    size: int
    read: Callable[[], Document | Dropped]
    changed: float = 0.0


def list_sources(config: Config, local: LocalPlace) -> Iterator[Listed] | None:
    """List every file that its name and size do not leave out; None where only reading tells.

    The first ones are of all sources alike, and of many folders: who needs no more need not wait
    for the rest. `local(place)` is where a source lies on this machine, None for one that does not.
    Several sources are named as `source.read_sources` names them.
    """
    specs = parse_sources(config.source)
    names = short_names(specs) if len(specs) > 1 else [""]
    rules = name_rules(config.include, config.exclude, config.force_in)
    listed: list[Iterator[Listed]] = []
    for spec, name in zip(specs, names, strict=True):
        place = local(spec.place)
        own = NamedRules(rules, name)
        found = None if place is None else _list_place(place, own, git=spec.place != DEMO)
        if found is None:
            return None
        listed.append(_members(found, name, spec.weight))
    return take_turns(listed)


def _members(found: Iterator[Member], name: str, weight: float) -> Iterator[Listed]:
    before, changed = f"{name}/" if name else "", bool(name) or weight != 1
    for path, size, read in found:
        group = before + path.partition("/")[0]
        named = partial(_named, read, name, weight) if changed else read
        yield Listed(before + path, group, size, named)


def in_turn(
    listed: Sequence[Listed], split: Split, most_held_out: int, most_files: int
) -> Iterator[Listed]:
    """Yield held-out files, at most so many bytes and files, then the training's, both shuffled.

    Held-out files beyond that are left out: nothing is trained on them, and enough is measured.
    """
    places = [place_of(file.path) for file in listed]
    rest: list[Listed] = []
    taken = files = 0
    for number in sorted(range(len(listed)), key=places.__getitem__):
        file = listed[number]
        if not split.holds_out(file):
            rest.append(file)
        elif taken < most_held_out and files < most_files:
            taken, files = taken + file.size, files + 1
            yield file
    yield from rest


def _list_place(place: Path, rules: Rules, *, git: bool) -> Iterator[Member] | None:
    if place.is_dir():
        return _list_folder(place, rules, git=git)
    if place.name.lower().endswith(".zip") and place.is_file():
        # its directory lies in one piece and is read whole: to put it in order costs little more
        found = sorted(list_zip(place, rules), key=lambda item: place_of(item[0]))
        return (item for item in found if _may_be_code(item[0], item[1], rules))
    return None


def _list_folder(root: Path, rules: Rules, *, git: bool) -> Iterator[Member]:
    for item in walk_shuffled(root, rules, git=git):
        if not isinstance(item, Found) or rules.reason(item.path, item.pardoned):
            continue
        if _may_be_code(item.path, item.size, rules):
            yield item.path, item.size, partial(_read, item, rules)


def _read(item: Found, rules: Rules) -> Document | Dropped:
    """Read one file of a folder; what that needs is put together only now."""
    read = partial(read_regular, item.file)
    return admit_file(item.path, read, rules, pardoned=item.pardoned)


def _may_be_code(path: str, size: int, rules: Rules) -> bool:
    """Leave out what is surely dropped; a name that says nothing is too rare to count."""
    if not 0 < size <= MOST_BYTES and not 0 < size <= rules.most_bytes(path):
        return False
    return language_of(path) is not None or rules.forces(path)


def _named(read: Callable[[], Document | Dropped], name: str, weight: float) -> Document | Dropped:
    return next(of_source(iter((read(),)), name, weight))
