"""A file's name as it may be shown and its bytes; no link is followed, no pipe waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def readable(name: str) -> str:
    """Return a file name that can be printed and stored: bytes that are not UTF-8 are shown.

    >>> readable("caf\\udce9.py")
    'caf\\\\xe9.py'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_regular(file: Path | str, most: int) -> bytes:
    """Return at most `most` bytes; `OSError` when it is, or has just become, no regular file."""
    # The entry may have been replaced since it was listed: no link, and no waiting for a pipe.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(file, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(file))
        return stream.read(most)


def read_text(file: Path, most: int) -> str:
    """Return a small text file; "" when there is none, or when it is a link: git skips that too."""
    try:
        return read_regular(file, most).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
