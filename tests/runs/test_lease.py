from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.errors import MachineError
from codetune_ui.runs.lease import acquire, holder
from codetune_ui.runs.store import Home


def test_nobody_holds_a_fresh_machine(home: Path) -> None:
    assert holder(Home(home)) is None


def test_the_holder_is_known_by_name_while_it_holds(home: Path) -> None:
    with acquire(Home(home), "calm-otter", "training"):
        other = holder(Home(home))
        assert other is not None
        assert (other.name, other.what) == ("calm-otter", "training")
    assert holder(Home(home)) is None


def test_a_second_holder_is_told_who_has_the_gpu(home: Path) -> None:
    with (
        acquire(Home(home), "calm-otter", "training"),
        pytest.raises(MachineError, match="'calm-otter' is using the GPU"),
        acquire(Home(home), "keen-fox", "training"),
    ):
        pass


def test_an_error_inside_gives_the_gpu_back(home: Path) -> None:
    with pytest.raises(ZeroDivisionError), acquire(Home(home), "calm-otter", "training"):
        raise ZeroDivisionError
    assert holder(Home(home)) is None


def test_a_killed_holder_leaves_a_note_that_nobody_believes(home: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from codetune_ui.runs.lease import acquire; from codetune_ui.runs.store import Home\n"
        "with acquire(Home(Path(sys.argv[1])), 'keen-fox', 'training'):\n"
        "    print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, cwd=PROJECT_ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        other = holder(Home(home))
        assert other is not None
        assert (other.name, other.pid) == ("keen-fox", process.pid)
        process.kill()
    assert (home / "gpu.json").exists()
    assert holder(Home(home)) is None
    with acquire(Home(home), "calm-otter", "training"):
        pass
