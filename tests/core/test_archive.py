from __future__ import annotations

import contextlib
import io
import random
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


# --- tar


def pack_tar(path: Path, members: dict[str, bytes], *more: tarfile.TarInfo) -> Path:
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
        for about in more:
            tar.addfile(about)
    return path


def read_tar(file: Path, force_in: str = "") -> list[Document | Dropped]:
    return list(archive.read_tar(file, name_rules("", "", force_in)))


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.type, about.linkname = kind, target
    return about


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"])
def test_a_tar_is_read_like_a_folder(tmp_path: Path, ending: str) -> None:
    members = {
        "./repo/b.py": CODE,
        "repo/x.gen.py": CODE,
        "repo/.gitignore": b"*.gen.py\n",  # after the file it speaks of
        "repo/.gitattributes": b"old/** linguist-vendored\n",
        "repo/old/y.py": CODE,
        "repo/README.md": b"words",
        "repo/node_modules/x.js": CODE,
        "repo/.git/hook.py": CODE,
        "repo/run": b"#!/bin/bash\necho one\n",
    }
    found = read_tar(pack_tar(tmp_path / f"a{ending}", members))
    assert told(found) == {
        "repo/b.py": "kept",
        "repo/x.gen.py": "ignored by .gitignore",
        "repo/.gitignore": "not code",
        "repo/.gitattributes": "not code",
        "repo/old/y.py": "vendored",
        "repo/README.md": "not code",
        "repo/node_modules/x.js": "vendored",
        "repo/run": "kept",
    }
    assert isinstance(found[0], Document)
    assert found[0].text == CODE.decode()


def test_a_forced_member_of_a_tar_comes_whatever_the_rules_say(tmp_path: Path) -> None:
    members = {".gitignore": b"*.py\n", "a.py": CODE, "b.py": CODE}
    found = read_tar(pack_tar(tmp_path / "a.tgz", members), force_in="b.py, .gitignore")
    assert told(found) == {
        ".gitignore": "kept",
        "a.py": "ignored by .gitignore",
        "b.py": "kept",
    }


def test_members_of_a_tar_that_are_no_files_are_dropped(tmp_path: Path) -> None:
    file = pack_tar(
        tmp_path / "a.tar.gz",
        {
            "ok.py": CODE,
            "../up.py": CODE,
            "/etc/root.py": CODE,
            "C:\\x.py": CODE,
            "a/../../b.py": CODE,
        },
        special("link.py", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.py", tarfile.LNKTYPE, "ok.py"),
        special("pipe.py", tarfile.FIFOTYPE),
        special("disk.py", tarfile.BLKTYPE),
        special("folder.py", tarfile.DIRTYPE),
    )
    assert told(read_tar(file)) == {
        "ok.py": "kept",
        "../up.py": "leads outside the source",
        "/etc/root.py": "leads outside the source",
        "C:/x.py": "leads outside the source",
        "a/../../b.py": "leads outside the source",
        "link.py": "a link",
        "hard.py": "a link",
        "pipe.py": "cannot be read",
        "disk.py": "cannot be read",
    }


def test_long_names_and_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    long = "d/" * 100 + "deep.py"
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        for name in (long, "caf\udce9.py"):
            about = tarfile.TarInfo(name)
            about.size = len(CODE)
            tar.addfile(about, io.BytesIO(CODE))
    assert told(read_tar(file)) == {long: "kept", "caf\\xe9.py": "kept"}


def test_of_a_tar_that_breaks_off_comes_what_was_read(tmp_path: Path) -> None:
    noise = random.Random(0)
    lines = {
        f"{n}.py": "".join(f"v{noise.random()} = {k}\n" for k in range(99)).encode()
        for n in range(50)
    }
    file = pack_tar(tmp_path / "a.tar.gz", lines)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    found = read_tar(file)
    assert told(found[:3]) == {"0.py": "kept", "1.py": "kept", "2.py": "kept"}
    last = found[-1]
    assert isinstance(last, Dropped)
    assert (last.path, last.reason) == ("a.tar.gz: the rest", "cannot be read")
    assert last.detail == "the archive breaks off"


def test_what_is_no_tar_is_refused(tmp_path: Path) -> None:
    for name in ("a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2"):
        (tmp_path / name).write_bytes(b"this is no archive " * 100)
        with pytest.raises(SourceError, match="cannot be read as an archive"):
            read_tar(tmp_path / name)


def test_a_bomb_is_cut_off_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "FREE_RATIO", 100_000)
    file = pack_tar(tmp_path / "a.tar.gz", {"a.py": CODE, "b.bin": bytes(30_000_000), "c.py": CODE})
    found = read_tar(file)
    assert told(found) == {
        "a.py": "kept",
        "b.bin": "not code",
        "a.tar.gz: the rest": "cannot be read",
    }
    assert isinstance(found[-1], Dropped)
    assert found[-1].detail == "the archive unpacks to too much"


def test_a_bomb_is_cut_off_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_UNPACKED", 20_000)
    file = pack_tar(tmp_path / "a.tar", {f"{n}.py": CODE * 20 for n in range(50)})
    found = read_tar(file)
    assert 5 <= len(found) <= 20
    assert isinstance(found[-1], Dropped)
    assert found[-1].detail == "the archive unpacks to too much"


def test_a_header_that_wants_all_memory_is_refused(tmp_path: Path) -> None:
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = tarfile.XHDTYPE, 8_000_000_000
    good = io.BytesIO(CODE)
    about = tarfile.TarInfo("a.py")
    about.size = len(CODE)
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as tar:
        tar.addfile(about, good)
    front = file.read_bytes()[:1024]
    file.write_bytes(front + pax.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    assert told(read_tar(file)) == {"a.py": "kept", "a.tar: the rest": "cannot be read"}


def test_a_chain_of_headers_ends_in_words(tmp_path: Path) -> None:
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 0
    (tmp_path / "a.tar").write_bytes(long.tobuf(tarfile.GNU_FORMAT) * 5000)
    with pytest.raises(SourceError, match="cannot be read as an archive"):
        read_tar(tmp_path / "a.tar")


def test_reading_a_tar_writes_nothing(tmp_path: Path) -> None:
    file = pack_tar(tmp_path / "a.tar.gz", {"a.py": CODE})
    read_tar(file)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["a.tar.gz"]


@given(flips=st.lists(st.tuples(st.integers(0, 9999), st.integers(1, 255)), max_size=6))
def test_a_damaged_tar_never_crashes(flips: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = pack_tar(Path(folder) / "a.tar", {f"{n}.py": CODE for n in range(8)})
        data = bytearray(file.read_bytes())
        for place, flip in flips:
            data[place % len(data)] ^= flip
        file.write_bytes(data)
        with contextlib.suppress(SourceError):
            assert all(item.path for item in read_tar(file))
