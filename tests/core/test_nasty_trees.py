"""Trees as nobody would make them: nothing hangs, nothing is lost, nothing comes from outside."""

from __future__ import annotations

import os
import shutil
import socket
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.disk import readable
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.errors import SourceError
from codetune_ui.core.pipeline import collect
from codetune_ui.core.source import read_source
from codetune_ui.core.tally import ScanReport
from tests.repos import git, needs_git

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX files and names")

OUTSIDE = "text_from_outside_the_root"
CODE = "".join(f"value_{n} = compute(other_{n})\n" for n in range(12))
LONG = 50_000_000
UNTRACKED = ("not tracked by git", "ignored by .gitignore")

TEXTS = st.text(max_size=200) | st.just(CODE)
ENCODINGS = st.sampled_from(
    [
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-16-le",
        "utf-32",
        "latin-1",
        "cp1252",
        "shift_jis",
        "cp500",
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\r", "\x00", "\x85", "\u2028", "\f"])


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    text = draw(TEXTS).replace("\n", draw(ENDS))
    encoded = text.encode(draw(ENCODINGS), "ignore")
    return draw(st.sampled_from([encoded, encoded[:-1], encoded + b"\0", b"\xff" + encoded, b""]))


Step = tuple[str, bytes, bytes, int]  # kind, name, content, which of the folders
ENDINGS = st.sampled_from([".py", ".ts", ".md", "", ".json", ".PY", ".c", ".gitignore", ".min.js"])
STEMS = st.one_of(
    st.binary(min_size=1, max_size=12).map(lambda name: name.translate(None, b"\0/") or b"z"),
    st.sampled_from([b"a", b"b\n", b"$(touch x)", b"<script>", b"-rf", b" ", b"n" * 250, b"\xe9"]),
)


@st.composite
def names(draw: st.DrawFn) -> bytes:
    name = draw(STEMS)[:240] + draw(ENDINGS).encode()
    return b"x" if name in (b".", b"..", b".git") else name


KINDS = st.sampled_from(
    [
        "file",
        "file",
        "file",
        "folder",
        "folder",
        "fifo",
        "socket",
        "loop",
        "out",
        "out_folder",
        "locked",
    ]
)


def steps(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[Step]:
    return st.tuples(kinds, names(), contents(), st.integers(0, 9))


PLANS = st.tuples(  # folders first, so that there is something to lie in
    st.lists(steps(st.just("folder")), max_size=4),
    st.lists(steps(KINDS), max_size=8),
    st.lists(steps(st.just("file")), min_size=3, max_size=6),
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])


@contextmanager
def tree(plan: list[Step]) -> Iterator[Path]:
    """Make a tree of these entries, each in one of the folders made before it."""
    base = Path(tempfile.mkdtemp(prefix="ct"))
    try:
        (base / "outside").mkdir()
        (base / "outside" / "o.py").write_text(f"{OUTSIDE} = 1\n" + CODE)
        root = base / "r"
        root.mkdir()
        folders = [os.fsencode(root)]
        for kind, name, data, where in plan:
            path = folders[where % len(folders)] + b"/" + name
            with suppress(FileExistsError, NotADirectoryError, OSError):
                MAKERS[kind](path, data, base)
                if kind == "folder":
                    folders.append(path)
        yield root
    finally:
        shutil.rmtree(base)


def _file(path: bytes, data: bytes, _base: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(descriptor, data)
    os.close(descriptor)


def _socket(path: bytes, _data: bytes, base: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(base / "s"))  # a socket's own path may be short only
    os.rename(base / "s", path)  # noqa: PTH104 - a name in bytes


def _link(target: Path, path: bytes) -> None:
    os.symlink(target, path)  # noqa: PTH211 - a name in bytes


def _locked(path: bytes, data: bytes, base: Path) -> None:
    _file(path, data, base)
    os.chmod(path, 0)  # noqa: PTH101 - a name in bytes


MAKERS: dict[str, Callable[[bytes, bytes, Path], None]] = {
    "file": _file,
    "folder": lambda path, _data, _base: os.mkdir(path),  # noqa: PTH102
    "fifo": lambda path, _data, _base: os.mkfifo(path),
    "socket": _socket,
    "loop": lambda path, _data, base: _link(base / "r", path),
    "out": lambda path, _data, base: _link(base / "outside" / "o.py", path),
    "out_folder": lambda path, _data, base: _link(base / "outside", path),
    "locked": _locked,
}


def scan(source: Path | str, **settings: str) -> list[Document | Dropped]:
    """Read a source to its end, also one without code, and check what holds for each."""
    config = Config(source=str(source), **settings)  # type: ignore[arg-type]
    report, items = ScanReport(), []
    with suppress(SourceError):
        for item in collect(read_source(config, demo_code=Path(source)), config):
            report.add(item)
            items.append(item)
    paths = [item.path for item in items]
    assert len(paths) == len(set(paths))
    assert report.found == report.kept + sum(report.reasons.values()) == len(items)
    for item in items:
        assert item.path.encode()  # printable: no half characters
        if isinstance(item, Document):
            assert OUTSIDE not in item.text
            assert "\r" not in item.text
            assert "\0" not in item.text
            assert item.text.encode()
        else:
            assert item.reason
    return items


def count(root: Path) -> int:
    """Count the entries that are no folder, links not followed."""
    found = 0
    for here, folders, files in os.walk(os.fsencode(root)):
        links = [name for name in folders if os.path.islink(here + b"/" + name)]  # noqa: PTH114
        found += len(files) + len(links)
    return found


@given(PLANS)
def test_every_entry_of_a_nasty_tree_is_kept_or_dropped_once(
    plan: list[Step],
) -> None:
    with tree(plan) as root:
        assert len(scan(root)) == count(root)


@needs_git
@given(PLANS, st.sets(st.integers(0, 5)))
def test_a_nasty_checkout_gives_only_what_git_tracks(plan: list[Step], tracked: set[int]) -> None:
    with tree(plan) as root:
        files = sorted(path for path in root.rglob("*") if _plain(path))
        chosen = [path for number, path in enumerate(files) if number in tracked]
        git(root, "init", "-q")
        for path in chosen:
            git(root, "add", "-f", "--", os.fsdecode(os.path.relpath(path, root)))
        reasons = {item.path: str(getattr(item, "reason", "kept")) for item in scan(root)}
        shutil.rmtree(root / ".git")
        assert len(reasons) == count(root)
        untracked = {path for path, reason in reasons.items() if reason in UNTRACKED}
        ours = {readable(os.path.relpath(path, root)) for path in chosen}
        all_files = {readable(os.path.relpath(path, root)) for path in files}
        if chosen:
            assert all_files & untracked == all_files - ours
        else:
            assert "not tracked by git" not in reasons.values()  # nothing is: a plain folder


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)


@given(PLANS, st.sampled_from([".tar", ".tar.gz", ".zip"]))
def test_a_nasty_archive_keeps_what_the_folder_keeps(plan: list[Step], ending: str) -> None:
    # a backslash is a separator to an archive, and a locked file is none
    plan = [step for step in plan if b"\\" not in step[1] and step[0] not in ("locked", "socket")]
    with tree(plan) as root:
        file = root.parent / f"a{ending}"
        if ending == ".zip":
            files = [p for p in root.rglob("*") if p.is_file() and not p.is_symlink()]
            with zipfile.ZipFile(file, "w") as packed:
                for path in files:
                    with suppress(UnicodeEncodeError):  # a zip's names are text
                        packed.writestr(str(path.relative_to(root)), path.read_bytes())
            scan(file)
            return
        mode: Literal["w", "w:gz"] = "w:gz" if ending.endswith("gz") else "w"
        with tarfile.open(file, mode, errors="surrogateescape") as tar:
            tar.add(root, arcname=".")
        folder = {item.path: type(item) for item in scan(root)}
        archive = {item.path: type(item) for item in scan(file)}
        assert archive.keys() == folder.keys()
        assert {p for p, kind in archive.items() if kind is Document} == {
            p for p, kind in folder.items() if kind is Document
        }


def test_a_line_of_fifty_megabytes_costs_one_read_of_a_megabyte(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CODE)
    with (tmp_path / "long.py").open("wb") as file:
        file.truncate(LONG)  # sparse: no bytes on disk
    with (tmp_path / "words.py").open("wb") as file:
        file.write(b"x" * 2_000_000)
    told = {item.path: str(getattr(item, "reason", "kept")) for item in scan(tmp_path)}
    assert told == {"a.py": "kept", "long.py": "too large", "words.py": "too large"}


def test_a_row_of_fifty_megabytes_is_one_row(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    with file.open("wb") as stream:
        stream.write(b'{"content": "' + b"x" * LONG + b'"}\n{"content": "')
        stream.write(CODE.replace("\n", "\\n").encode() + b'"}\n')
    assert [isinstance(item, Document) for item in scan(file)] == [False, True]


def test_a_file_that_goes_while_others_are_read_is_told(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.py").write_text(CODE + f"last = {number}\n")
    config = Config(source=str(tmp_path))
    found = read_source(config, demo_code=tmp_path)
    first = next(found)
    (tmp_path / "3.py").unlink()
    (tmp_path / "4.py").unlink()
    (tmp_path / "4.py").symlink_to("/etc/passwd")  # swapped after it was listed
    told = {item.path: str(getattr(item, "reason", "kept")) for item in [first, *found]}
    assert told == {
        "0.py": "kept",
        "1.py": "kept",
        "2.py": "kept",
        "3.py": "cannot be read",
        "4.py": "a link",
    }


def test_a_thousand_folders_deep_is_a_path_like_any_other(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(600):  # longer than any path may be at once
        os.mkdir("deep_folder", dir_fd=here)
        inner = os.open("deep_folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    (tmp_path / "a.py").write_text(CODE)
    items = scan(tmp_path)
    assert [item.path for item in items if isinstance(item, Document)] == ["a.py"]
    assert [str(item.reason) for item in items if isinstance(item, Dropped)] == ["cannot be read"]
    shutil.rmtree(tmp_path / "deep_folder")
