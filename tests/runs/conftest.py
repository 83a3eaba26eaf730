"""What several tests of processes share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from codetune_ui.runs import process
from codetune_ui.runs.process import spawn
from tests.runs.processes import Engine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Put a small worker in the place of the engine's, started through the real `spawn`."""

    def use(code: str) -> None:
        def spawn_small(command: list[str], **where: Path) -> subprocess.Popen[bytes]:
            return spawn([sys.executable, "-c", code, command[-1]], **where)

        monkeypatch.setattr(process, "spawn", spawn_small)

    return use
