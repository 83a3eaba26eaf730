from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.runs.private import close_to_others, open_to_others
from codetune_ui.runs.process import environment, spawn
from codetune_ui.runs.store import Home

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_what_was_open_to_others_is_closed(home: Path) -> None:
    run = Home(home).create_run(Config(), "old")
    run.path.chmod(0o755)
    run.config_path.chmod(0o644)
    assert close_to_others(Home(home)) == 2
    assert (mode(run.path), mode(run.config_path)) == (0o700, 0o600)
    assert list(open_to_others(Home(home))) == []


def test_a_link_out_of_the_home_changes_nothing_there(home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "shared"
    outside.mkdir(mode=0o755)
    (outside / "a").touch(mode=0o644)
    outside.chmod(0o755)
    (home / "cache").mkdir(mode=0o700)
    (home / "cache" / "link").symlink_to(outside)
    close_to_others(Home(home))
    assert (mode(outside), mode(outside / "a")) == (0o755, 0o644)


def test_a_worker_writes_for_its_owner_alone(home: Path, tmp_path: Path) -> None:
    code = f"import pathlib; pathlib.Path({str(tmp_path / 'made')!r}).touch()"
    log = tmp_path / "log"
    assert spawn([sys.executable, "-c", code], log_path=log, home=home).wait() == 0
    assert (mode(tmp_path / "made"), mode(log)) == (0o600, 0o600)


def test_a_worker_tells_nobody_and_knows_no_password(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODETUNE_AUTH", "ann:secret")
    monkeypatch.setenv("WANDB_MODE", "online")
    given = environment(home)
    assert "CODETUNE_AUTH" not in given
    assert given["WANDB_MODE"] == "disabled"
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "COMET_MODE"):
        assert name in given
