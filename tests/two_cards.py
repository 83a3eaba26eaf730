"""A stand-in for nvidia-smi: a program that tells of two cards and one program that holds some."""

from __future__ import annotations

import sys
from pathlib import Path

CARDS = """\
0, GPU-aa, NVIDIA GeForce RTX 4090, 512, 24576
1, GPU-bb, NVIDIA GeForce RTX 4090, 6656, 24576
"""
PROGRAMS = """\
GPU-bb, 12, /opt/a, b/train, 1024
GPU-bb, 4242, C:\\x\\python.exe, 5120
GPU-aa, 9, [Not Found], [N/A]
"""


def a_tool(folder: Path, cards: str = CARDS, programs: str = PROGRAMS) -> str:
    """Write the program into a folder, to be put on PATH, and return where it is."""
    path = folder / "nvidia-smi"
    answer = f"{programs!r} if 'compute-apps' in sys.argv[1] else {cards!r}"
    path.write_text(f"#!{sys.executable}\nimport sys\nprint({answer}, end='')\n", "utf-8")
    path.chmod(0o755)
    return str(path)
