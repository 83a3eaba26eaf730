"""Compile the scanner's rules and ship them: `python -m tests.compiled_rules`, on x86-64 Linux.

To be done whenever the scanner's version in requirements.txt changes; 2.4 MB, packed 150 kB.
"""

from __future__ import annotations

import importlib.metadata
import lzma
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from codetune_ui.core.assets import ASSETS
from codetune_ui.runs.compiled import PACKED, SCANNER


def compile_rules(folder: Path) -> Path:
    """Let the scanner compile its rules into an empty folder; return the file."""
    from kingfisher_sdk import Rules

    Rules(cache_dir=folder)
    (file,) = folder.glob("*.vscdb")
    return file


def main() -> None:
    name = f"{importlib.metadata.version(SCANNER)}-{platform.machine().lower()}"
    place = ASSETS / "scanner" / name
    shutil.rmtree(place.parent, ignore_errors=True)  # one version at a time
    place.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        file = compile_rules(Path(folder))
        packed = place / (file.name + PACKED)
        packed.write_bytes(lzma.compress(file.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    sys.stdout.write(f"{packed}: {packed.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
