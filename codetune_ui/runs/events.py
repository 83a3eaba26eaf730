"""The event log of a run: one JSON object per line, appended by its worker, read by offset."""

from __future__ import annotations

import errno
import json
import math
import threading
import time
from pathlib import Path
from typing import Any

Event = dict[str, Any]
FULL = (errno.ENOSPC, errno.EDQUOT)  # no space, no quota: there may be room again
MOST_WAITING = 16 * 2**20


class EventWriter:
    """Appends events; each line reaches the system at once, so that a killed worker loses none.

    What a full disk does not take is kept, and written with the next event that finds room.
    """

    def __init__(self, path: Path) -> None:
        self._waiting = bytearray(b"\n" if _ends_torn(path) else b"")
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()  # the row producer reports from its own thread

    def write(self, kind: str, **fields: Any) -> None:
        """Append one event; numbers that are not finite are written as null."""
        event = {"ts": round(time.time(), 3), "kind": kind, **fields}
        line = json.dumps(finite(event), ensure_ascii=False, allow_nan=False)
        with self._lock:
            self._waiting += line.encode("utf-8", "replace") + b"\n"
            self._flush()

    def _flush(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: self._file.write(self._waiting)]
        except OSError as error:
            if error.errno not in FULL or len(self._waiting) > MOST_WAITING:
                raise

    def close(self) -> None:
        """Close the file, after a last try to write what a full disk did not take."""
        with self._lock:
            self._flush()
            self._file.close()

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ends_torn(path: Path) -> bool:
    """Say whether an earlier worker was killed in the middle of a line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Return the events appended since a byte offset, and the offset for the next call.

    The last line may still be on its way to disk: it is left for later. A line that an earlier
    worker left torn is skipped. A file shorter than the offset is a new one, read from its start.
    """
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(0, 2)
        start = offset if 0 <= offset <= file.tell() else 0
        file.seek(start)
        chunk = file.read()
    complete = chunk[: chunk.rfind(b"\n") + 1]
    return [event for line in complete.splitlines() if (event := _parse(line))], start + len(
        complete
    )


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None


def finite(value: Any) -> Any:
    """Return JSON values with every NaN and infinity as None, at any depth.

    >>> finite({"loss": float("nan"), "steps": [1, float("inf")]})
    {'loss': None, 'steps': [1, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value
