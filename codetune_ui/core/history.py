"""When the files of a checkout last changed, from its commits since a date; git is not run.

The same commits that `git log --since=DATE` lists; a merge counts for what it resolved. What has
not been committed is not seen.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from codetune_ui.core.disk import read_text, readable
from codetune_ui.core.errors import ConfigError, SourceError
from codetune_ui.core.git import Checkout

if TYPE_CHECKING:
    from dulwich.diff_tree import TreeChange
    from dulwich.objects import Commit, ObjectID
    from dulwich.walk import Walker

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
MOST_COMMITS = 200_000
SMALL = 10_000_000
# What dulwich lets through where objects are missing, torn or none.
UNREADABLE = (
    LookupError,
    ValueError,
    OSError,
    AttributeError,
    AssertionError,
    TypeError,
    RecursionError,
    EOFError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class History:
    """Times of change by path (seconds since 1970); the other files' is `before` at the latest."""

    times: dict[str, float]
    before: float

    def changed(self, path: str) -> float:
        """Return when a tracked file last changed, or a time that is no earlier."""
        return self.times.get(path, self.before)


def seconds_of(date: str) -> float:
    """Return the first second of a day, UTC; 0 for none; `ConfigError` when it is no date.

    >>> seconds_of("2026-01-02"), seconds_of("")
    (1767312000.0, 0.0)
    """
    if not date:
        return 0.0
    try:
        if not DATE.fullmatch(date):
            raise ValueError
        return datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ConfigError(
            f"'{date}' is no date.", "Write it as 2026-01-31.", field="held_out_after"
        ) from None


def day_of(seconds: float) -> str:
    """Return the day of a time, UTC.

    >>> day_of(1767312000.0)
    '2026-01-02'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def history_since(checkout: Checkout, since: float) -> History:
    """Walk back from HEAD to a time; `SourceError` when the history is missing or breaks off."""
    from dulwich import errors
    from dulwich.object_store import DiskObjectStore
    from dulwich.refs import DiskRefsContainer, Ref

    name = checkout.top.name
    try:
        head = DiskRefsContainer(checkout.common_dir, checkout.git_dir)[Ref(b"HEAD")]
        # the objects alone: a Repo would read the configuration
        store = DiskObjectStore(checkout.common_dir / "objects")
        try:
            cut = _shallow(checkout)
            newest = cast(Any, store[head]).commit_time
            times = _times(_walker(store, head, since, cut), since, cut, name)
        finally:
            store.close()
    except (
        errors.ApplyDeltaError,
        errors.FileFormatException,
        errors.ChecksumMismatch,
        errors.MissingCommitError,
        errors.ObjectMissing,
        errors.RefFormatError,
        errors.WrongObjectException,
        *UNREADABLE,
    ) as error:
        raise SourceError(
            f"The git history of '{name}' cannot be read.",
            "Leave 'Held out by time' empty, or fetch the whole history: git fetch --unshallow.",
        ) from error
    return History(times, min(newest, since - 1))


def _shallow(checkout: Checkout) -> frozenset[bytes]:
    return frozenset(read_text(checkout.common_dir / "shallow", SMALL).encode().split())


def _walker(store: Any, head: ObjectID, since: float, cut: frozenset[bytes]) -> Walker:
    from dulwich.walk import Walker

    def parents(commit: Commit) -> list[ObjectID]:
        return [] if commit.id in cut else commit.parents

    return Walker(
        store,
        [head],
        since=int(since),
        get_parents=parents,
        max_entries=MOST_COMMITS,
    )


def _times(walker: Walker, since: float, cut: frozenset[bytes], name: str) -> dict[str, float]:
    times: dict[str, float] = {}
    for entry in walker:
        when = float(entry.commit.commit_time)
        if entry.commit.id in cut and when >= since:
            raise SourceError(
                f"The git history of '{name}' was fetched back to {day_of(when)} only.",
                f"Take a day after {day_of(when)}, or run: git fetch --unshallow.",
            )
        for path in _paths(entry.changes()):
            times[path] = max(when, times.get(path, 0.0))
    return times


def _paths(changes: list[TreeChange] | list[list[TreeChange | None]]) -> Iterator[str]:
    for change in changes:
        for one in change if isinstance(change, list) else [change]:
            if one is not None and one.new is not None and one.new.path is not None:
                yield readable(one.new.path.decode("utf-8", "surrogateescape"))
