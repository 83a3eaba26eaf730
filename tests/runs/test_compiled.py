from __future__ import annotations

import importlib.metadata
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs import compiled
from codetune_ui.runs.compiled import lay_out, rules_folder, shipped
from codetune_ui.runs.process import environment
from codetune_ui.runs.store import Home
from codetune_ui.runs.warm import rules_state
from tests.compiled_rules import compile_rules

STATUS = "from kingfisher_sdk import Rules; print(Rules().cache_status)"


@pytest.fixture
def packed() -> Path:
    """Return the shipped rules of a machine for which there are some."""
    pytest.importorskip("kingfisher_sdk")
    found = shipped()
    if found is None:
        pytest.skip("no compiled rules are shipped for this machine")
    return found


def _status(home: Home) -> str:
    return subprocess.check_output(
        [sys.executable, "-c", STATUS], cwd=PROJECT_ROOT, env=environment(home.path), text=True
    ).strip()


def test_the_shipped_rules_are_to_the_byte_what_this_scanner_compiles(
    packed: Path, tmp_path: Path
) -> None:
    fresh = compile_rules(tmp_path)
    assert packed.name == f"{fresh.name}.xz"
    assert lzma.decompress(packed.read_bytes()) == fresh.read_bytes()


def test_the_scanner_takes_the_shipped_rules_and_compiles_nothing(packed: Path, home: Path) -> None:
    lay_out(Home(home))
    assert _status(Home(home)) == "loaded"
    assert rules_state(Home(home)) == "compiled"
    assert [file.name for file in rules_folder(Home(home)).iterdir()] == [packed.stem]


def test_what_is_laid_out_is_for_its_owner_alone(packed: Path, home: Path) -> None:
    lay_out(Home(home))
    folder = rules_folder(Home(home))
    assert [path.stat().st_mode & 0o077 for path in (folder, folder / packed.stem)] == [0, 0]


def test_rules_that_are_there_already_are_left_alone(packed: Path, home: Path) -> None:
    place = rules_folder(Home(home)) / packed.stem
    place.parent.mkdir(parents=True)
    place.write_bytes(b"own")
    lay_out(Home(home))
    assert place.read_bytes() == b"own"


def test_shipped_rules_that_were_harmed_are_compiled_anew(packed: Path, home: Path) -> None:
    lay_out(Home(home))
    place = rules_folder(Home(home)) / packed.stem
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    assert _status(Home(home)) == "stored"


def test_another_version_of_the_scanner_gets_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "version", lambda _: "0.0.1")
    assert shipped() is None
    lay_out(Home(home))
    assert not rules_folder(Home(home)).exists()


def test_where_no_scanner_is_installed_nothing_is_laid_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(compiled, "version", missing)
    lay_out(Home(home))
    assert not rules_folder(Home(home)).exists()


@pytest.mark.usefixtures("packed")
def test_a_home_that_cannot_be_written_is_no_error(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "cache").write_text("no folder")
    lay_out(Home(home))
