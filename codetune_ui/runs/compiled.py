"""The scanner's rules as it compiles them, shipped for the usual machine: a first start has them.

`assets/scanner/VERSION-MACHINE/` holds the very file that this version of the scanner would write
into its cache after 7 s of work; `python -m tests.compiled_rules` makes it, and a test compares.
The scanner takes a file only if its rules and its checksum agree, and else compiles as ever.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import platform
import secrets
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from codetune_ui.core.assets import ASSETS
from codetune_ui.runs.store import Home

SCANNER = "kingfisher-secret-scanner"
PACKED = ".xz"


def rules_folder(home: Home) -> Path:
    """Return where the scanner keeps its compiled rules (`process.environment` tells it)."""
    return home.cache_dir / "secrets"


def shipped() -> Path | None:
    """Return the packed rules for this scanner on this machine; None where there are none."""
    try:
        name = f"{version(SCANNER)}-{platform.machine().lower()}"
    except PackageNotFoundError:
        return None
    if sys.platform != "linux":  # it may well be the same file elsewhere, but nobody has compared
        return None
    return next((ASSETS / "scanner" / name).glob(f"*{PACKED}"), None)


def lay_out(home: Home) -> None:
    """Put the rules where the scanner looks for them, unless it has some of its own there."""
    packed = shipped()
    if packed is None or (place := rules_folder(home) / packed.stem).exists():
        return
    scratch = place.with_name(f".{secrets.token_hex(6)}")
    with contextlib.suppress(OSError, lzma.LZMAError):  # it only saves time
        # the scanner trusts no folder that others may write to
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(lzma.decompress(packed.read_bytes()))
        scratch.replace(place)
    with contextlib.suppress(OSError):
        scratch.unlink(missing_ok=True)
