from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from codetune_ui.core import archive
from codetune_ui.core.clean import name_rules
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.errors import SourceError

CODE = b"def add(left, right):\n    return left + right\n"


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zip_file:
        for name, data in members.items():
            zip_file.writestr(name, data)
    return path


def read(file: Path) -> list[Document | Dropped]:
    return list(archive.read_zip(file, name_rules("", "")))


def told(found: list[Document | Dropped]) -> dict[str, str]:
    return {item.path: str(getattr(item, "reason", "kept")) for item in found}


def test_a_zip_is_read_like_a_folder(tmp_path: Path) -> None:
    file = pack(
        tmp_path / "a.zip",
        {
            "repo/src/b.py": CODE,
            "repo/src/a.ts": CODE,
            "repo/README.md": b"words",
            "repo/.gitignore": b"*.gen.py\n",
            "repo/x.gen.py": CODE,
            "repo/node_modules/x.js": CODE,
            "repo/.git/hook.py": CODE,
            "repo/run": b"#!/bin/bash\necho one\n",
        },
    )
    assert told(read(file)) == {
        "repo/.gitignore": "not code",
        "repo/README.md": "not code",
        "repo/node_modules/x.js": "vendored",
        "repo/run": "kept",
        "repo/src/a.ts": "kept",
        "repo/src/b.py": "kept",
        "repo/x.gen.py": "ignored by .gitignore",
    }


def test_a_member_that_leads_outside_is_dropped(tmp_path: Path) -> None:
    members = {"../up.py": CODE, "/etc/root.py": CODE, "C:\\x.py": CODE, "ok.py": CODE}
    found = told(read(pack(tmp_path / "a.zip", members)))
    outside = "leads outside the source"
    assert found == {
        "../up.py": outside,
        "/etc/root.py": outside,
        "C:/x.py": outside,
        "ok.py": "kept",
    }


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zip_file:
        zip_file.writestr(link, "/etc/passwd")
    assert told(read(tmp_path / "a.zip")) == {"link.py": "a link"}


def test_a_bomb_is_unpacked_to_a_megabyte_at_most(tmp_path: Path) -> None:
    bomb = pack(tmp_path / "a.zip", {"bomb.py": b"a" * 200_000_000, "ok.py": CODE})
    assert told(read(bomb)) == {"bomb.py": "too large", "ok.py": "kept"}


def test_an_archive_of_many_bombs_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_UNPACKED", 100)
    members = {f"{index}.py": CODE for index in range(5)}
    found = told(read(pack(tmp_path / "a.zip", members)))
    assert list(found.values()) == ["kept"] * 3 + ["cannot be read"] * 2


def test_an_archive_of_too_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_MEMBERS", 2)
    file = pack(tmp_path / "a.zip", {f"{index}.py": CODE for index in range(3)})
    with pytest.raises(SourceError, match="Unpack it"):
        read(file)


def test_a_torn_member_costs_only_itself(tmp_path: Path) -> None:
    file = pack(tmp_path / "a.zip", {"bad.py": CODE * 50, "good.py": CODE})
    data = bytearray(file.read_bytes())
    start = data.index(b"bad.py") + len("bad.py")
    data[start : start + 8] = b"\xff" * 8
    file.write_bytes(data)
    assert told(read(file)) == {"bad.py": "cannot be read", "good.py": "kept"}


def test_an_encrypted_member_is_dropped(tmp_path: Path) -> None:
    file = pack(tmp_path / "a.zip", {"a.py": CODE})
    data = bytearray(file.read_bytes())
    data[6] |= 1  # the flag that asks for a password, in the member and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(data)
    assert told(read(file)) == {"a.py": "cannot be read"}


def test_what_is_no_zip_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(b"hello")
    with pytest.raises(SourceError, match=r"'a\.zip' cannot be read as a zip file"):
        read(file)


def test_a_zip_cut_in_half_is_one_sentence(tmp_path: Path) -> None:
    file = pack(tmp_path / "a.zip", {"a.py": CODE})
    file.write_bytes(io.BytesIO(file.read_bytes()).read(60))
    with pytest.raises(SourceError):
        read(file)
