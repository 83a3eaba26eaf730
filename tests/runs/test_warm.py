from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.lock import hold
from codetune_ui.runs.process import environment
from codetune_ui.runs.store import Home
from codetune_ui.runs.warm import rules_state, warm_up

DEADLINE_S = 120.0
WARM = [sys.executable, "-m", "codetune_ui.runs.warm"]
PAGE = """
import sys, time
from codetune_ui.runs.store import Home
from codetune_ui.runs.warm import warm_up

print(warm_up(Home.current()).pid, "kingfisher_sdk" in sys.modules, flush=True)
time.sleep(600)
"""


@pytest.fixture
def machine(home: Path) -> Home:
    """Return an empty home on a machine that has the scanner."""
    pytest.importorskip("kingfisher_sdk")
    return Home(home)


def test_the_rules_are_compiled_once_by_a_process_that_leaves_nothing_else(machine: Home) -> None:
    assert rules_state(machine) == "not compiled yet"
    process = warm_up(machine)
    assert process is not None
    assert process.wait(DEADLINE_S) == 0
    assert rules_state(machine) == "compiled"
    assert warm_up(machine) is None
    folder = machine.cache_dir / "secrets"
    assert sorted(file.suffix for file in folder.iterdir()) == ["", ".vscdb"]
    assert [file.name for file in folder.iterdir() if not file.suffix] == ["lock"]


def test_there_are_never_two_at_once(machine: Home) -> None:
    folder = machine.cache_dir / "secrets"
    with hold(folder / "lock"):
        assert warm_up(machine) is None
        late = subprocess.Popen(  # one that was started before the other had the lock
            WARM, cwd=PROJECT_ROOT, env=environment(machine.path), stdin=subprocess.PIPE
        )
        assert late.wait(DEADLINE_S) == 0
    assert [file.name for file in folder.iterdir()] == ["lock"]
    assert late.stdin is not None
    late.stdin.close()


def test_it_ends_with_the_page_that_started_it_and_loads_no_scanner_there(machine: Home) -> None:
    page = subprocess.Popen(
        [sys.executable, "-c", PAGE],
        cwd=PROJECT_ROOT,
        env=environment(machine.path),
        stdout=subprocess.PIPE,
        text=True,
    )
    with page:
        assert page.stdout is not None
        pid, scanner_here = page.stdout.readline().split()
        page.kill()
    assert scanner_here == "False"
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(pid)).wait(DEADLINE_S)
    assert not psutil.pid_exists(int(pid))


def test_rules_of_an_older_scanner_count_for_nothing(machine: Home) -> None:
    folder = machine.cache_dir / "secrets"
    folder.mkdir(parents=True)
    (folder / "0123.vscdb").write_bytes(b"")
    os.utime(folder / "0123.vscdb", (1_000_000_000, 1_000_000_000))
    assert rules_state(machine) == "not compiled yet"
