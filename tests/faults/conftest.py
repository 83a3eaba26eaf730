"""One zygote for all tests of faults, and runs to be harmed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.zygote import Workers, workers


@pytest.fixture(scope="session")
def zygote() -> Iterator[Workers]:
    """Return the process that workers are forked from."""
    if sys.platform == "win32":
        pytest.skip("there is no fork here")
    with workers() as started:
        yield started


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of its own of 160 MiB, in memory; skip where none may be mounted."""
    if sys.platform != "linux":
        pytest.skip("only Linux has a file system in memory")
    folder = tmp_path / "disk"
    folder.mkdir()
    user = f"size=160m,mode=0700,uid={os.getuid()},gid={os.getgid()}"
    sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
    mount = [*sudo, "mount", "-t", "tmpfs", "-o", user, "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a file system may not be mounted here")
    try:
        yield folder
    finally:
        subprocess.run([*sudo, "umount", "-l", str(folder)], check=True)
