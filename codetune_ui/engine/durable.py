"""Files and folders that are on the disk itself, not only on their way to it, and their hashes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any


def sync(path: Path) -> None:
    """Return when a file's bytes are on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Return when the names in a folder are on the disk."""
    if os.name == "posix":  # elsewhere a folder cannot be opened, and need not be
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """Return a file's size and SHA-256, as a manifest lists them, once it is on the disk."""
    sync(path)
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}
