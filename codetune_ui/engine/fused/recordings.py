"""Work of a GPU that is recorded once, and from then on started with one launch."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Literal, TypeVar

import torch

Found = TypeVar("Found")


def record(
    work: Callable[[], Found], pool: Any, *, watched: Literal["global", "thread_local"] = "global"
) -> tuple[Any, Found]:
    """Record work instead of doing it; return its graph, and where the graph leaves its results.

    `watched` says whose calls may spoil the recording: those of all threads, or of this one only,
    where another may use the GPU meanwhile. Raises `OutOfMemoryError` once the recording is over.
    """
    graph = torch.cuda.CUDAGraph()
    found: list[Found] = []
    full: torch.OutOfMemoryError | None = None
    with torch.cuda.graph(graph, pool=pool, capture_error_mode=watched):
        try:
            found.append(work())
        except torch.OutOfMemoryError as error:  # the recording has to be ended all the same
            full = error
    if full is not None:
        raise full
    return graph, found[0]


class Recordings:
    """CUDA graphs that share one piece of memory, as they never run at once."""

    def __init__(self) -> None:
        self._seen: set[Hashable] = set()
        self._made: dict[Hashable, tuple[Any, Any]] = {}
        self._pool: Any = None

    def run(self, key: Hashable, work: Callable[[], Found]) -> Found:
        """Do work: plainly for the first time, which compiles; then recorded, and replayed.

        Whoever gives a key gives work that reads and writes the same places each time. What it
        returns holds until the next run of any.
        """
        if key not in self._seen:
            self._seen.add(key)
            return work()
        if key not in self._made:
            self._made[key] = self._record(work)
        graph, found = self._made[key]
        graph.replay()
        return found  # type: ignore[no-any-return]

    def _record(self, work: Callable[[], Any]) -> tuple[Any, Any]:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        return record(work, self._pool, watched="thread_local")

    def forget(self) -> None:
        """Drop all recordings: the places that they know are gone."""
        self._seen.clear()
        self._made.clear()
        self._pool = None  # a pool ends with its last graph
