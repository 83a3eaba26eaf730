"""Whole small files that a reader in another process never sees half."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from codetune_ui.runs.events import finite


def replace_json(path: Path, data: Any) -> None:
    """Write beside, then rename over: a reader sees the old file or the new one, never half."""
    replace_text(path, json.dumps(finite(data), indent=2, ensure_ascii=False, allow_nan=False))


def replace_text(path: Path, text: str) -> None:
    """Write a whole file as `replace_json` does."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with scratch.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            scratch.replace(path)
        except PermissionError:  # Windows refuses while a reader has the file open
            time.sleep(0.1)
            scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Delete a file that may be gone already."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:  # Windows refuses while a reader has the file open
        time.sleep(0.1)
        path.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None when there is no such file or it is unreadable."""
    for pause_s in (0.1, 0.0):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):  # Windows may refuse during a rename: look once more
            time.sleep(pause_s)
        else:
            return data if isinstance(data, dict) else None
    return None
