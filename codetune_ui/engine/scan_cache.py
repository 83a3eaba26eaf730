"""Scans that need not be made again: a source that has not changed since is not read.

HOME/cache/scan/whole/KEY/ holds a finished scan's files: texts after redaction, as the scan's own
folder does. It may be deleted at any time; what was used longest ago goes first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codetune_ui.core import clean
from codetune_ui.core.assets import DEMO_CODE
from codetune_ui.core.config import DEMO, SETTINGS, Config
from codetune_ui.core.ignore import IGNORE_FILES
from codetune_ui.core.sources import is_git_url, is_hub_source, parse_sources
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.store import Home, Run

DOCUMENTS = ("documents.jsonl", "index.jsonl")
LISTS = ("files.jsonl", *DOCUMENTS)
MOST_SCANS = 8
MOST_BYTES = 2_000_000_000  # of whole scans; one that is larger is not kept
SETTLED_S = 0.05  # a file changed later than this before the look may change again unseen
GIT_STAMPS = ("index", "HEAD", "packed-refs", "info/exclude", "shallow", "logs/HEAD")


class ScanCache:
    """The finished scans of one home, by everything that decided them."""

    def __init__(self, home: Home) -> None:
        self.folder = home.cache_dir / "scan" / "whole"

    def take(self, key: str, run: Run) -> dict[str, Any] | None:
        """Put a kept scan's lists into this one's folder and return its report; None: no such."""
        report = read_json(self.folder / key / "report.json")
        return report if report is not None and self._give(key, LISTS, run.path) else None

    def knows(self, config: Config, tokenizer: str, stream_block: int) -> bool:
        """Say whether there is a scan of this source, perhaps of an older state; nothing is read.

        To ask for the state of 100,000 files takes a second, which a first start need not wait.
        """
        return any(self.folder.glob(_asked(config, tokenizer, stream_block) + "-*"))

    def lend(self, key: str, folder: Path) -> bool:
        """Put a kept scan's documents and their index into a folder; say whether they are there."""
        whole = (self.folder / key / "report.json").exists()
        return whole and self._give(key, DOCUMENTS, folder)

    def _give(self, key: str, names: Sequence[str], folder: Path) -> bool:
        try:
            for name in names:
                _link(self.folder / key / name, folder / name)
            os.utime(self.folder / key)
        except OSError:  # pruned meanwhile, or a full disk: read the source instead
            for name in names:
                (folder / name).unlink(missing_ok=True)
            return False
        return True

    def keep(self, key: str, run: Run, report: dict[str, Any]) -> None:
        """Keep a finished scan; a disk that is full or read-only only means that it is not."""
        if sum((run.path / name).stat().st_size for name in LISTS) > MOST_BYTES:
            return
        scratch = self.folder / f".{secrets.token_hex(6)}"
        try:
            scratch.mkdir(parents=True, mode=0o700)
            for name in LISTS:
                _link(run.path / name, scratch / name)
            replace_json(scratch / "report.json", report)
            scratch.rename(self.folder / key)  # whole, or not there
        except OSError:
            shutil.rmtree(scratch, ignore_errors=True)
        self._prune()

    def _prune(self) -> None:
        """Drop the scans used longest ago, and what an interrupted one left."""
        left, room = MOST_SCANS, MOST_BYTES
        for entry in _latest_first(self.folder):
            left -= 1
            room -= _size(entry)
            if entry.name.startswith(".") or left < 0 or room < 0:
                shutil.rmtree(entry, ignore_errors=True)


def scan_key(config: Config, tokenizer: str, stream_block: int) -> str | None:
    """Return what a scan's result depends on, as two hashes; None when that cannot be known.

    That is so for sources beyond this machine, and for files written in this very moment.
    """
    state = source_state(config)
    if state is None:
        return None
    return f"{_asked(config, tokenizer, stream_block)}-{state[:32]}"


def _asked(config: Config, tokenizer: str, stream_block: int) -> str:
    """Return a hash of all that decides a scan but the files themselves."""
    names = [s.name for s in SETTINGS.values() if s.group == "data"] + ["max_seq_len"]
    settings = {name: getattr(config, name) for name in names}
    parts = [json.dumps(settings, sort_keys=True), tokenizer, str(stream_block), _rules()]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def source_state(config: Config) -> str | None:
    """Return a hash of the names, sizes and times of every file a scan would look at."""
    try:
        places = _places(config)
    except (OSError, RuntimeError, ValueError):  # the reading will say what is wrong
        return None
    if places is None:
        return None
    now = time.time()
    seen = hashlib.sha256()
    for place in places:
        for line, changed in _stamps(place):
            if now - changed < SETTLED_S:
                return None
            seen.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return seen.hexdigest()


def _places(config: Config) -> list[Path] | None:
    """Return the folders and files of this machine that are read; None when others are too."""
    places = []
    for spec in parse_sources(config.source):
        place = DEMO_CODE if spec.place == DEMO else Path(spec.place).expanduser()
        if is_hub_source(spec.place) or is_git_url(spec.place) or not place.exists():
            return None
        places.append(place)
    return places


def _stamps(place: Path) -> Iterator[tuple[str, float]]:
    """Yield (what identifies its content, when it last changed) for every file of a source."""
    if not place.is_dir():
        yield _stamp("", place.stat())
        return
    for folder in (place.absolute(), *place.absolute().parents):
        yield from _around(folder, folder == place.absolute())
    yield from _tree(place)


def _around(folder: Path, is_root: bool) -> Iterator[tuple[str, float]]:
    """Yield what git and the ignore files above a source say; its own are part of its tree."""
    if (folder / ".git").is_file():
        yield ".git", math.inf  # its index lies elsewhere: never settled
    names = [f".git/{name}" for name in GIT_STAMPS]
    if not is_root:
        names += [*IGNORE_FILES, ".gitattributes"]
    for name in names:
        with contextlib.suppress(OSError):
            found = (folder / name).stat()
            if stat.S_ISREG(found.st_mode):
                yield _stamp(f"{folder}/{name}", found)


def _tree(root: Path) -> Iterator[tuple[str, float]]:
    waiting = [(os.fspath(root), "")]
    while waiting:
        folder, base = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            yield f"{base} closed", 0.0
            continue
        for entry in entries:
            if entry.name == ".git":
                continue
            yield _entry(base + entry.name, entry)
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{base}{entry.name}/"))


def _entry(path: str, entry: os.DirEntry[str]) -> tuple[str, float]:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return f"{path} gone", 0.0
    if stat.S_ISDIR(found.st_mode):
        return f"{path}/", 0.0  # its own time says nothing that its files do not
    return _stamp(path, found)


def _stamp(path: str, found: os.stat_result) -> tuple[str, float]:
    # The time of the last change of the inode sees what a copy with an old date would hide.
    times = (found.st_mtime_ns, found.st_ctime_ns)
    line = f"{path} {found.st_mode} {found.st_size} {times[0]} {times[1]} {found.st_ino}"
    return line, max(times) / 1e9


def _rules() -> str:
    """Return a hash of the code that decides what is kept: another version, another scan."""
    seen = hashlib.sha256()
    for file in sorted(Path(clean.__file__).parent.glob("*.py")):
        seen.update(file.read_bytes())
    return seen.hexdigest()


# --- files


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; where that cannot be, copy it. Neither is ever written in."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _latest_first(folder: Path) -> list[Path]:
    dated = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            dated.append((entry.stat().st_mtime_ns, entry))
    return [entry for _, entry in sorted(dated, reverse=True)]


def _size(folder: Path) -> int:
    total = 0
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
