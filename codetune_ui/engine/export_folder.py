"""A folder that is whole or not there: written beside its place, hashes last, then renamed.

.NAME.partial-XXXXXXXX/      written here, every file synced
    codetune_export.json     last: the figures, and size and SHA-256 of each other file
NAME/                        the same folder, renamed
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.core.export import MANIFEST
from codetune_ui.engine import durable
from codetune_ui.runs.exports import is_export


@contextmanager
def scratch_beside(place: Path) -> Iterator[Path]:
    """Give an empty folder beside a place; it is removed unless it was renamed meanwhile."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        for old in place.parent.glob(f".{place.name}.partial-*"):
            shutil.rmtree(old, ignore_errors=True)  # of an export that was killed
        scratch = place.parent / f".{place.name}.partial-{secrets.token_hex(4)}"
        scratch.mkdir()
    except OSError as error:
        raise MachineError(
            f"{place} cannot be written: {error.strerror or error}.", "Choose another folder."
        ) from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check_space(place: Path, needed: int) -> None:
    """Raise `MachineError` when the disk cannot take another `needed` bytes."""
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise MachineError(
            f"The disk is too full: this needs {needed >> 20:,} MiB, and {free >> 20:,} are free.",
            "Free some space, or choose another disk with --to.",
        )


def seal(scratch: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of a written folder, and return it."""
    files = sorted(path for path in scratch.iterdir() if path.name != MANIFEST)
    for path in files:
        path.chmod(0o644)  # safetensors writes for the owner alone
    manifest = {**facts, "files": {path.name: durable.fingerprint(path) for path in files}}
    path = scratch / MANIFEST
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    durable.sync(path)
    durable.sync_folder(scratch)
    return manifest


def publish(scratch: Path, place: Path, *, overwrite: bool) -> None:
    """Give a sealed folder its name; an export that is there makes room, all else is refused."""
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()
    if not place.exists():
        scratch.rename(place)
    elif overwrite and is_export(place):
        old = place.with_name(f".{place.name}.old-{secrets.token_hex(4)}")
        place.rename(old)  # a folder is never renamed over a full one
        scratch.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    else:  # somebody else put it there in the meantime
        raise RunError(f"{place} exists by now.", "Choose another folder with --to.")
    durable.sync_folder(place.parent)
