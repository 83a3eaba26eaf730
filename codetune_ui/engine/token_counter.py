"""Token counts beside the reading: texts go in as they come, counts come out at the end.

HOME/cache/scan/tokens-….npy holds a hash and a count for every text counted with one tokenizer, so
that of a source that has changed a little only the new texts are encoded. It may be deleted at any
time.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.runs.store import Home

BATCH_CHARACTERS = 500_000
MOST_WAITING = 4  # batches; then the reading waits, so that memory stays bounded
MOST_COUNTS = 2_000_000  # 12 bytes each
COUNTS = np.dtype([("text", "<u8"), ("tokens", "<u4")])


class TokenCounter:
    """Counts on a thread of its own while the caller reads on: encoding lets go of Python's lock.

    Use as a context; `add` each text once, then `finish` gives the counts by name.
    """

    def __init__(self, tokenizer: CodeTokenizer, known: TokenCounts) -> None:
        self._tokenizer, self._known = tokenizer, known
        self._pool = ThreadPoolExecutor(1, "token-counter")
        self._waiting: deque[Future[dict[str, int]]] = deque()
        self._batch: list[tuple[str, str]] = []
        self._characters = 0
        self._counts: dict[str, int] = {}

    def __enter__(self) -> TokenCounter:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=error is not None)

    def add(self, name: str, text: str) -> None:
        """Hand over one text; waits while too many wait already."""
        self._batch.append((name, text))
        self._characters += len(text)
        if self._characters >= BATCH_CHARACTERS:
            self._send()

    def finish(self) -> dict[str, int]:
        """Return all counts by name, and keep them for the next scan."""
        self._send()
        while self._waiting:
            self._counts |= self._waiting.popleft().result()
        self._known.save()
        return self._counts

    def _send(self) -> None:
        batch, self._batch, self._characters = self._batch, [], 0
        self._waiting.append(self._pool.submit(self._count, batch))
        while len(self._waiting) > MOST_WAITING:
            self._counts |= self._waiting.popleft().result()

    def _count(self, batch: Sequence[tuple[str, str]]) -> dict[str, int]:
        keys = [text_key(text) for _, text in batch]
        counts = self._known.look_up(keys)
        new = [place for place, count in enumerate(counts) if count is None]
        found = self._tokenizer.encode_batch([batch[place][1] for place in new])
        for place, ids in zip(new, found, strict=True):
            counts[place] = len(ids)
            self._known.note(keys[place], len(ids))
        return {name: count or 0 for (name, _), count in zip(batch, counts, strict=True)}


class TokenCounts:
    """Token counts of texts by their hash, for one tokenizer; the file is written by `save`.

    The hash has 64 bits: among a million texts two share one in one of 37 million cases, and then
    a count is wrong.
    """

    def __init__(self, home: Home, tokenizer: str) -> None:
        self.path = home.cache_dir / "scan" / f"tokens-{tokenizer[:16]}.npy"
        self._old = _read(self.path)
        self._used: dict[int, int] = {}

    def look_up(self, keys: Sequence[int]) -> list[int | None]:
        """Return the count of each text by its key, None where it is new."""
        if not len(self._old) or not keys:
            return [None] * len(keys)
        wanted = np.array(keys, dtype=np.uint64)
        places = np.searchsorted(self._old["text"], wanted).clip(max=len(self._old) - 1)
        there = self._old["text"][places] == wanted
        found = self._old["tokens"][places].tolist()
        counts = [n if hit else None for n, hit in zip(found, there.tolist(), strict=True)]
        self._used.update({k: n for k, n in zip(keys, counts, strict=True) if n is not None})
        return counts

    def note(self, key: int, count: int) -> None:
        """Remember a count."""
        self._used[key] = count

    def save(self) -> None:
        """Write what was used now, then what was known before, as far as there is room."""
        now = np.array(list(self._used.items())[:MOST_COUNTS], dtype=COUNTS)
        older = self._old[~np.isin(self._old["text"], now["text"])]
        both = np.concatenate([now, older[: MOST_COUNTS - len(now)]])
        scratch = self.path.with_name(f".{secrets.token_hex(6)}.npy")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            np.save(scratch, both[np.argsort(both["text"], kind="stable")], allow_pickle=False)
            scratch.replace(self.path)
        except OSError:  # it only saves time
            scratch.unlink(missing_ok=True)


def text_key(text: str) -> int:
    """Return 64 bits that tell texts apart."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _read(path: Path) -> NDArray[Any]:
    none = np.zeros(0, dtype=COUNTS)
    try:
        found: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return none
    return found if found.dtype == COUNTS and found.ndim == 1 else none
