from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.lock import LockHeldError, hold, is_held


def test_a_lock_is_held_only_inside_the_with(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with hold(path):
        assert is_held(path)
    assert not is_held(path)


def test_a_second_holder_is_refused(tmp_path: Path) -> None:
    with (
        hold(tmp_path / "lock"),
        pytest.raises(LockHeldError),
        hold(tmp_path / "lock", wait_s=0.0),
    ):
        pass


def test_two_who_only_look_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    look = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+'); "
        "fcntl.flock(file, fcntl.LOCK_SH); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", look, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert not is_held(path)
        other.communicate()


def test_the_system_frees_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from codetune_ui.runs.lock import hold\n"
        "with hold(Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    )
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, cwd=PROJECT_ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert is_held(path)
        process.kill()
    assert not is_held(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_helper_does_not_keep_a_dead_workers_lock(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from codetune_ui.runs.lock import hold\n"
        "with hold(Path(sys.argv[1])):\n"
        "    helper = os.fork()\n"
        "    if helper == 0: time.sleep(60)\n"
        "    print(helper, flush=True); time.sleep(60)"
    )
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, cwd=PROJECT_ROOT
    ) as process:
        assert process.stdout is not None
        helper = int(process.stdout.readline())
        process.kill()
        process.wait()
        os.kill(helper, 0)  # it lives, and lets the lock go as soon as it is scheduled
        deadline = time.monotonic() + 20
        while is_held(path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_held(path)
        os.kill(helper, 9)
