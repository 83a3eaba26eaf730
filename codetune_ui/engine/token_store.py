"""Tokens of a source's documents, kept from one run to the next: only new texts are encoded.

HOME/cache/tokens/TOKENIZER-SOURCE.npz holds the hash of each text and its tokens, which are as
secret as the code. It may be deleted at any time; what was used longest ago goes first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from codetune_ui.core.token_cache import Ids, TokenCache
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.runs.store import Home

MOST_CHARACTERS = 100_000_000  # of a source: some 60 MB of memory while rows are cut, and of disk
MOST_SOURCES = 8
KEY = 16  # bytes of a text's hash


class TokenStore:
    """The kept tokens of one source and tokenizer."""

    def __init__(self, home: Home, tokenizer: str, source: str) -> None:
        name = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self.path = home.cache_dir / "tokens" / f"{tokenizer[:16]}-{name}.npz"

    def open(self, tokenizer: CodeTokenizer) -> TokenCache:
        """Return a cache that holds what earlier runs put away."""
        cache = TokenCache(tokenizer, MOST_CHARACTERS, forgets=False)
        # torn, of another version, or not there: everything is encoded anew
        with contextlib.suppress(OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            cache.put(_read(self.path, len(tokenizer.token_lengths)))
            os.utime(self.path)
        return cache

    def save(self, cache: TokenCache) -> None:
        """Put a cache away for the next run, where anything in it is new."""
        items = cache.items()
        if not cache.encoded or not items:
            return
        scratch = self.path.with_name(f".{secrets.token_hex(6)}.npz")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            np.savez(
                scratch,
                keys=np.frombuffer(b"".join(key for key, _, _ in items), dtype=np.uint8),
                sizes=np.array([(len(ids), size) for _, ids, size in items], dtype=np.int64),
                ids=np.concatenate([ids for _, ids, _ in items]),
            )
            scratch.replace(self.path)
        except OSError:  # a full disk: it only saves time
            with contextlib.suppress(OSError):
                scratch.unlink(missing_ok=True)
        _prune(self.path.parent)


def _read(path: Path, vocabulary: int) -> Iterator[tuple[bytes, Ids, int]]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        keys, sizes, ids = kept["keys"].tobytes(), kept["sizes"], kept["ids"]
    whole = len(keys) == KEY * len(sizes) and sizes.ndim == 2 and sizes[:, 0].sum() == len(ids)
    if not whole or ids.dtype not in (np.uint16, np.uint32) or (ids >= vocabulary).any():
        raise ValueError("not a file of tokens")
    place = 0
    for number, (count, characters) in enumerate(sizes.tolist()):
        yield keys[number * KEY : (number + 1) * KEY], ids[place : place + count], characters
        place += count


def _prune(folder: Path) -> None:
    dated = []
    for path in folder.glob("*.npz") if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            dated.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(dated, reverse=True)[MOST_SOURCES:]:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
