"""Files a person uploads as a source: moved out of Gradio's cache, which is emptied every day."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from codetune_ui.core.errors import MachineError, SourceError
from codetune_ui.core.source import FILES
from codetune_ui.runs.store import Home

SPARE_BYTES = 1_000_000_000  # of the disk that an upload must leave free


def keep(home: Home, uploaded: Path) -> Path:
    """Move an upload to HOME/uploads/kept and return its place; one of the same name is replaced.

    Its size was bounded by the server; here the disk is.
    """
    name = safe_name(uploaded.name)
    if not name.endswith(FILES):
        raise SourceError(
            f"'{uploaded.name}' is not a source of code.", f"Upload one of {', '.join(FILES)}."
        )
    folder = home.uploads_dir / "kept"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(folder).free < SPARE_BYTES:
            raise MachineError("The disk is nearly full.", "Free some space, then upload again.")
        return uploaded.replace(folder / name)
    except OSError as error:
        raise MachineError(
            f"The upload cannot be kept: {error.strerror or error}.", "Free some space."
        ) from error


def safe_name(name: str) -> str:
    """Return a file name of plain characters, its ending in small letters.

    >>> safe_name("My code (1).ZIP"), safe_name("../.evil.zip")
    ('My-code-1-.zip', 'evil.zip')
    """
    last = re.split(r"[/\\\\]", name)[-1]
    stem, dot, ending = last.rpartition(".")
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip(".")[:100] or "upload"
    return f"{plain}{dot}{ending.lower()}"
