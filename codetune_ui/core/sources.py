"""The sources a person named: one, or several with ";" between, each with a weight."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from codetune_ui.core.clean import VENDORED_FOLDERS
from codetune_ui.core.errors import ConfigError, SourceError

WEIGHT = re.compile(r"\s\*\s*(\S*)$")
HEAVIEST = 100.0
ENDINGS = re.compile(r"(\.git|\.(zip|tar|tar\.\w+|tgz|tbz2?|txz|jsonl|json|parquet|txt))$", re.I)
SSH = re.compile(r"[A-Za-z0-9][\w.-]*@[A-Za-z0-9][\w.-]*:(?![\\/]{2})\S+")  # git@host:path
SCHEMES = ("https://", "ssh://", "file://")
FOREIGN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")  # http://, git://, ext::
URL = re.compile(  # what may stand in one; a host never begins with "-": ssh would see an option
    r"(?:https://|ssh://(?:[A-Za-z0-9][\w.-]*@)?)(?:[A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:]+\])(?::\d+)?/\S+"
    r"|file:///\S.*",
    re.I,
)
LOGIN = re.compile(r"(?<=://)[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One place to read from, and how often an epoch shows each of its files."""

    place: str
    weight: float = 1.0


def parse_sources(text: str) -> list[SourceSpec]:
    """Return the sources that a text names; `ConfigError` where a weight is none.

    >>> [(spec.place, spec.weight) for spec in parse_sources("/home/me/app; hub:a/b *0.5")]
    [('/home/me/app', 1.0), ('hub:a/b', 0.5)]
    """
    whole = text.strip()
    if _exists(whole):  # a folder's name may hold a ";" or a "*"
        return [SourceSpec(whole)]
    specs = [_parse(part.strip()) for part in whole.split(";") if part.strip()]
    return specs or [SourceSpec("")]


def format_sources(specs: Sequence[SourceSpec]) -> str:
    """Return the text that `parse_sources` reads.

    >>> format_sources([SourceSpec("/home/me/app"), SourceSpec("hub:a/b", 0.5)])
    '/home/me/app; hub:a/b *0.5'
    """
    if len(specs) > 1 or any(spec.weight != 1 for spec in specs):
        odd = next((spec.place for spec in specs if ";" in spec.place), None)
        if odd is not None:
            raise ConfigError(
                f"'{odd}' holds a ';', which stands between sources.",
                "Rename it, or give it alone.",
                field="source",
            )
    parts = [f"{s.place} *{s.weight:g}" if s.weight != 1 else s.place for s in specs]
    return "; ".join(parts)


def is_hub_source(source: str) -> bool:
    """Return whether a source is a Hub dataset.

    >>> is_hub_source("hub:smangrul/hf-stack-v1"), is_hub_source("/home/me/code")
    (True, False)
    """
    return source.startswith("hub:") and ";" not in source


def is_git_url(source: str) -> bool:
    """Return whether a source is fetched by git.

    >>> [is_git_url(text) for text in ("https://host/a.git", "git@host:a/b", "OWNER/NAME", "/a")]
    [True, True, False, False]
    """
    if ";" in source:
        return False  # several, or none
    return bool(FOREIGN.match(source) or SSH.match(source))


def check_git_url(url: str) -> None:
    """Raise `SourceError` for a URL that git shall not see; its login, if any, is not repeated."""
    if LOGIN.search(url) and masked(url) != url:
        raise SourceError(
            f"'{masked(url)}' holds a login, which would be stored with the run.",
            "Give the address without it; for a private one the ssh address, git@host:OWNER/NAME.",
        )
    if not url.lower().startswith(SCHEMES) and not SSH.fullmatch(url):
        raise SourceError(
            f"'{masked(url)}' is fetched over neither https nor ssh.",
            "Write https://… or git@host:OWNER/NAME, or clone it and give the folder.",
        )
    odd = any(ord(char) <= 32 or ord(char) == 127 for char in url)
    if odd or not (URL.fullmatch(url) or SSH.fullmatch(url)):
        raise SourceError(
            f"'{masked(url)}' is no address of a repository.",
            "Write it as https://host/OWNER/NAME or git@host:OWNER/NAME.",
        )


def masked(source: str) -> str:
    """Return a source as it may be shown and stored: a URL without the login in it.

    >>> masked("https://me:token@host/a.git"), masked("ssh://git@host/a")
    ('https://***@host/a.git', 'ssh://git@host/a')
    """

    def hidden(found: re.Match[str]) -> str:
        # over ssh a bare name is no secret, and without it there is no way in
        name = found[0][:-1]
        kept = source.lower().startswith("ssh://") and ":" not in name
        return found[0] if kept else "***@"

    return LOGIN.sub(hidden, source)


def short_names(specs: Sequence[SourceSpec]) -> list[str]:
    """Return one unlike name for each of several sources: the last part of its place.

    >>> short_names([SourceSpec("/a/app"), SourceSpec("/b/app/"), SourceSpec("git@h:x/lib.git")])
    ['app', 'app-2', 'lib']
    """
    names: list[str] = []
    for spec in specs:
        base = _last_part(spec.place)
        name, number = base, 1
        while name.lower() in map(str.lower, names):
            number += 1
            name = f"{base}-{number}"
        names.append(name)
    return names


def _last_part(place: str) -> str:
    path = masked(place).removeprefix("hub:").partition("@")[0] if is_hub_source(place) else place
    last = re.split(r"[\\/:]", masked(path).rstrip("\\/"))[-1]
    name = re.sub(r"[^\w.-]+", "-", ENDINGS.sub("", last)).strip(".-") or "source"
    # a source that is called "dist" is no vendored folder
    return f"{name}-code" if VENDORED_FOLDERS.fullmatch(name) else name


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # too long, ~nobody, a NUL
        return False


def _parse(part: str) -> SourceSpec:
    found = WEIGHT.search(part)
    if found is None or _exists(part):
        return SourceSpec(part)
    try:
        weight = float(found[1])
    except ValueError:
        weight = 0.0
    if not 0 < weight <= HEAVIEST:  # NaN fails here too
        raise ConfigError(
            f"'{masked(part)}' has a weight that is none.",
            f"Write a number above 0, at most {HEAVIEST:g}: /home/me/app *2.",
            field="source",
        )
    return SourceSpec(part[: found.start()].strip(), weight)


class HasWeight(Protocol):
    """A document, or what stands for one whose text lies elsewhere; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def path(self) -> str:
        """Unlike any other's."""

    @property
    def weight(self) -> float:
        """How often an epoch shows it."""


Weighed = TypeVar("Weighed", bound=HasWeight)


def shown(documents: Sequence[Weighed], seed: int, epoch: int) -> list[Weighed]:
    """Return the documents of one epoch, each as often as its weight says.

    A weight of 2.5 is twice, and once more in half of the epochs; which ones follows from seed,
    epoch and path alone. A repeat has a path of its own, from which its own holes follow.

    >>> from codetune_ui.core.document import Document
    >>> double = Document("x", "a.py", "Python", "a.py", weight=2.0)
    >>> [document.path for document in shown([double], seed=0, epoch=0)]
    ['a.py', 'a.py (again 1)']
    """
    chosen: list[Weighed] = []
    for document in documents:
        times = int(document.weight)
        times += _place(f"{seed}:{epoch}:{document.path}") < document.weight - times
        chosen += [document] if times else []
        again = (f"{document.path} (again {number})" for number in range(1, times))
        chosen += [replace(document, path=path) for path in again]
    return chosen


def _place(name: str) -> float:
    """Return a number from 0 to 1 that depends on the name only."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
