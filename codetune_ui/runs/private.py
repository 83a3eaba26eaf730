"""What lies in the home is for its owner alone: folders 0700, files 0600, where there are modes."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from codetune_ui.runs.store import Home

UMASK = 0o077
OTHERS = stat.S_IRWXG | stat.S_IRWXO
OURS = ("runs", "scans", "evaluations", "uploads", "cache", "server", "tmp")


def keep_private() -> None:
    """Make what this process writes from now on its owner's alone."""
    if os.name == "posix":
        os.umask(UMASK)


def close_to_others(home: Home) -> int:
    """Take from others what was written before; return how many files and folders were open.

    First the folders on top: once these are closed nobody comes to what lies below. The home
    itself is left as it is: it may be a folder that a person shares on purpose.
    """
    return sum(map(_close, open_to_others(home)))


def close_in_background(home: Home) -> threading.Thread:
    """Do `close_to_others` beside; a cache may hold many thousand files."""
    thread = threading.Thread(target=close_to_others, args=(home,), daemon=True, name="private")
    thread.start()
    return thread


def open_to_others(home: Home) -> Iterator[Path]:
    """Yield what others may read, write or enter, folders before what is in them; no links."""
    if os.name != "posix":
        return
    tops = [home.path / name for name in OURS]
    yield from filter(_open, tops)
    for top in tops:
        for place, folders, files in os.walk(top):
            below = (Path(place) / name for name in (*folders, *files))
            yield from filter(_open, below)


def _open(path: Path) -> bool:
    with suppress(OSError):
        mode = path.lstat().st_mode
        return not stat.S_ISLNK(mode) and bool(mode & OTHERS)
    return False


def _close(path: Path) -> bool:
    with suppress(OSError):
        path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~OTHERS)
        return True
    return False
