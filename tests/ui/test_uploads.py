from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.errors import MachineError, SourceError
from codetune_ui.runs.store import Home
from codetune_ui.ui import uploads


def test_an_upload_is_moved_out_of_the_cache(home: Path, tmp_path: Path) -> None:
    uploaded = tmp_path / "My code.ZIP"
    uploaded.write_bytes(b"zip")
    place = uploads.keep(Home(home), uploaded)
    assert place == Home(home).uploads_dir / "kept" / "My-code.zip"
    assert place.read_bytes() == b"zip"
    assert not uploaded.exists()


def test_another_kind_of_file_is_refused(home: Path, tmp_path: Path) -> None:
    uploaded = tmp_path / "run.exe"
    uploaded.write_bytes(b"MZ")
    with pytest.raises(SourceError, match="is not a source of code"):
        uploads.keep(Home(home), uploaded)


def test_a_nearly_full_disk_is_left_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded = tmp_path / "a.zip"
    uploaded.write_bytes(b"zip")
    monkeypatch.setattr(uploads, "SPARE_BYTES", 2**80)
    with pytest.raises(MachineError, match="nearly full"):
        uploads.keep(Home(home), uploaded)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/code.zip", "code.zip"),
        ("..\\..\\code.zip", "code.zip"),
        (".zip", "upload.zip"),
        ("naïve code.jsonl", "na-ve-code.jsonl"),
    ],
)
def test_a_name_cannot_lead_elsewhere(name: str, safe: str) -> None:
    assert uploads.safe_name(name) == safe
