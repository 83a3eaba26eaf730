from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.git import UNSUPPORTED, find_checkout, index_entries
from codetune_ui.core.source import read_source
from tests.repos import CODE, commit, git, make_repo, needs_git, write

pytestmark = needs_git


def told(source: Path, **settings: str) -> dict[str, str]:
    config = Config(source=str(source), **settings)  # type: ignore[arg-type]
    found = read_source(config, demo_code=source)
    return {item.path: str(getattr(item, "reason", "kept")) for item in found}


def test_only_tracked_files_are_code(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.py": CODE, ".gitignore": "*.log.py\n", "b.log.py": CODE})
    write(repo, {"new.py": CODE, "c.log.py": CODE, "sub/new.py": CODE})
    assert told(repo) == {
        ".gitignore": "not code",
        "a.py": "kept",
        "b.log.py": "kept",  # tracked, though .gitignore names it
        "c.log.py": "ignored by .gitignore",
        "new.py": "not tracked by git",
        "sub/new.py": "not tracked by git",
    }


def test_a_tracked_file_in_an_ignored_folder_stays(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {".gitignore": "build/\n", "build/kept.py": CODE})
    write(repo, {"build/made.py": CODE})
    found = told(repo)
    assert found["build/kept.py"] == "kept"
    assert found["build/made.py"] == "ignored by .gitignore"


def test_our_own_ignore_file_leaves_out_tracked_files_too(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.py": CODE, "old/b.py": CODE})
    write(repo, {".codetuneignore": "old/\n"})
    assert told(repo)["old/b.py"] == "ignored by .gitignore"
    assert told(repo)["a.py"] == "kept"


def test_a_folder_of_a_checkout_is_read_by_the_checkout_s_index(tmp_path: Path) -> None:
    files = {"src/a.py": CODE, "src/deep/b.py": CODE, "top.py": CODE, ".gitignore": "*.gen.py\n"}
    repo = make_repo(tmp_path / "r", files)
    write(repo, {"src/new.py": CODE, "src/x.gen.py": CODE})
    assert told(repo / "src") == {
        "a.py": "kept",
        "deep/b.py": "kept",
        "new.py": "not tracked by git",
        "x.gen.py": "ignored by .gitignore",
    }


def test_a_folder_below_a_checkout_that_does_not_track_it_is_a_plain_one(tmp_path: Path) -> None:
    home = make_repo(tmp_path / "home", {"dotfiles.py": CODE})
    write(home, {"work/a.py": CODE})
    assert told(home / "work") == {"a.py": "kept"}


def test_a_repository_without_a_commit_or_index_is_a_plain_folder(tmp_path: Path) -> None:
    write(tmp_path, {"r/a.py": CODE})
    git(tmp_path / "r", "init", "-q")
    assert told(tmp_path / "r") == {"a.py": "kept"}


def test_several_clones_in_a_folder_are_each_read_by_their_own_index(tmp_path: Path) -> None:
    make_repo(tmp_path / "all" / "one", {"a.py": CODE})
    make_repo(tmp_path / "all" / "two", {"b.py": CODE, ".gitignore": "x.py\n"})
    write(tmp_path / "all", {"one/new.py": CODE, "two/x.py": CODE, "plain.py": CODE})
    assert told(tmp_path / "all") == {
        "one/a.py": "kept",
        "one/new.py": "not tracked by git",
        "plain.py": "kept",
        "two/.gitignore": "not code",
        "two/b.py": "kept",
        "two/x.py": "ignored by .gitignore",
    }


def test_a_submodule_that_is_there_is_read_by_its_own_index(tmp_path: Path) -> None:
    library = make_repo(tmp_path / "library", {"lib.py": CODE})
    repo = make_repo(tmp_path / "r", {"a.py": CODE})
    git(repo, "submodule", "--quiet", "add", library.as_uri(), "libs/it")
    write(repo, {"libs/it/new.py": CODE})
    make_repo(repo / "stray", {"s.py": CODE})
    found = told(repo)
    assert found["libs/it/lib.py"] == "kept"
    assert found["libs/it/new.py"] == "not tracked by git"
    assert found["stray/s.py"] == "not tracked by git"


def test_a_second_work_tree_is_a_checkout_of_its_own(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.py": CODE})
    git(repo, "worktree", "add", "--quiet", str(tmp_path / "second"))
    write(tmp_path / "second", {"new.py": CODE})
    assert told(tmp_path / "second") == {"a.py": "kept", "new.py": "not tracked by git"}


def test_a_file_deleted_from_the_work_tree_is_just_not_there(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.py": CODE, "gone.py": CODE})
    (repo / "gone.py").unlink()
    assert told(repo) == {"a.py": "kept"}


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_every_version_of_the_index_lists_what_git_lists(tmp_path: Path, version: str) -> None:
    names = [f"d{n % 5}/file {n}é.py" for n in range(60)] + ["d/" + "long" * 60 + ".py"]
    repo = make_repo(tmp_path / "r", dict.fromkeys(names, CODE))
    git(repo, "update-index", "--index-version", version)
    write(repo, {"later.py": CODE})
    git(repo, "add", "-N", "later.py")  # needs the extended flags of version 3
    entries = [name.decode() for name, _ in index_entries((repo / ".git/index").read_bytes())]
    assert entries == git(repo, "ls-files", "-z").split("\0")[:-1]
    checkout = find_checkout(repo)
    assert checkout is not None
    assert checkout.tracked == set(entries)


def test_a_split_index_is_not_half_understood(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.py": CODE, "b.py": CODE})
    git(repo, "update-index", "--split-index")
    write(repo, {"c.py": CODE})
    assert told(repo) == {"a.py": "kept", "b.py": "kept", "c.py": "kept"}


def test_a_repository_of_sha256_names_is_a_plain_folder(tmp_path: Path) -> None:
    repo = tmp_path / "r"
    repo.mkdir()
    git(repo, "init", "-q", "--object-format=sha256")
    commit(repo, {f"{n}.py": CODE for n in range(30)}, date="2026-01-01")
    write(repo, {"new.py": CODE})
    assert find_checkout(repo) is None
    assert told(repo)["new.py"] == "kept"


@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 399), st.integers(1, 255))))
def test_a_broken_index_is_refused_or_read_but_never_crashes(
    cut: int, flips: list[tuple[int, int]]
) -> None:
    data = bytearray(index_file([b"a.py", b"src/b.py", b"src/deep/c.py"]))
    for place, flip in flips:
        data[place % len(data)] ^= flip
    try:
        names = [name for name, _ in index_entries(bytes(data[:cut]))]
    except UNSUPPORTED:
        return
    assert all(b"\0" not in name for name in names)


def index_file(names: list[bytes]) -> bytes:
    entries = b""
    for name in names:
        entry = struct.pack(">24xL32xH", 0o100644, len(name)) + name
        entries += entry + b"\0" * (8 - len(entry) % 8)
    body = struct.pack(">4sLL", b"DIRC", 2, len(names)) + entries
    return body + hashlib.sha1(body).digest()


def test_entries_that_lead_outside_are_never_opened(tmp_path: Path) -> None:
    write(tmp_path, {"secret.py": "token = 1\n", "r/a.py": CODE})
    repo = tmp_path / "r"
    git(repo, "init", "-q")
    outside = [b"../secret.py", str(tmp_path / "secret.py").encode(), b"C:\\x.py", b"a.py"]
    (repo / ".git" / "index").write_bytes(index_file(outside))
    assert told(repo) == {"a.py": "kept"}


@pytest.mark.skipif(os.name == "nt", reason="POSIX links")
def test_a_tracked_link_is_a_link_also_where_it_was_checked_out_as_a_file(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.py": CODE})
    (repo / "link.py").symlink_to("/etc/passwd")
    git(repo, "add", "link.py")
    assert told(repo) == {"a.py": "kept", "link.py": "a link"}
    (repo / "link.py").unlink()
    write(repo, {"link.py": "/etc/passwd"})
    assert told(repo) == {"a.py": "kept", "link.py": "a link"}


@pytest.mark.skipif(os.name == "nt", reason="POSIX links")
def test_a_git_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    other = make_repo(tmp_path / "other", {"only.py": CODE})
    write(tmp_path, {"r/a.py": CODE})
    (tmp_path / "r" / ".git").symlink_to(other / ".git")
    assert told(tmp_path / "r") == {"a.py": "kept"}


def test_attributes_mark_generated_and_vendored_files(tmp_path: Path) -> None:
    repo = make_repo(
        tmp_path / "r",
        {
            ".gitattributes": "*.gen.py linguist-generated=true\nlib/** linguist-vendored\n"
            "dist/*.py -linguist-vendored\n",
            "src/.gitattributes": "keep.gen.py -linguist-generated\n",
            "a.gen.py": CODE,
            "src/keep.gen.py": CODE,
            "lib/deep/x.py": CODE,
            "dist/y.py": CODE,
            "dist/z.js": CODE,
        },
    )
    found = {path: reason for path, reason in told(repo).items() if "attributes" not in path}
    assert found == {
        "a.gen.py": "generated",
        "dist/y.py": "kept",
        "dist/z.js": "vendored",
        "lib/deep/x.py": "vendored",
        "src/keep.gen.py": "kept",
    }


def test_a_forced_file_needs_neither_git_nor_rules(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.py": CODE, ".gitignore": "out/\n"})
    write(repo, {"out/b.py": CODE, "new.py": CODE, "node_modules/m.js": CODE, "words": "x = 1\n"})
    forced = told(repo, force_in="out/b.py, new.py, node_modules/m.js, words")
    assert {path for path, reason in forced.items() if reason == "kept"} == {
        "a.py",
        "new.py",
        "node_modules/m.js",
        "out/b.py",
        "words",
    }


def test_a_hostile_repository_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    program.chmod(0o755)
    repo = make_repo(tmp_path / "r", {"a.py": CODE, "b.py": CODE})
    commit(repo, {"b.py": CODE + "# two\n"}, date="2026-03-01")
    write(repo, {".gitattributes": "*.py filter=evil diff=evil merge=evil\n"})
    run = f"'{program}'"
    included = tmp_path / "included"
    included.write_text(f"[core]\n\tfsmonitor = {run}\n")
    (repo / ".git" / "config").write_text(
        "[core]\n"
        f"\tfsmonitor = {run}\n\thooksPath = {tmp_path}\n\tsshCommand = {run}\n\tpager = {run}\n"
        f"\teditor = {run}\n\taskPass = {run}\n\tgitProxy = {run}\n\talternateRefsCommand = {run}\n"
        f'[filter "evil"]\n\tclean = {run}\n\tsmudge = {run}\n\tprocess = {run}\n'
        f"\trequired = true\n"
        f'[diff "evil"]\n\tcommand = {run}\n\ttextconv = {run}\n'
        f'[merge "evil"]\n\tdriver = {run}\n'
        f"[diff]\n\texternal = {run}\n[alias]\n\tls-files = !{run}\n"
        f'[credential]\n\thelper = !{run}\n[remote "origin"]\n\turl = ext::{program}\n'
        f"\tuploadpack = {run}\n\tpromisor = true\n"
        f'[submodule "s"]\n\turl = ext::{program}\n\tupdate = !{run}\n'
        f"[extensions]\n\tpartialClone = origin\n[include]\n\tpath = {included}\n"
    )
    for hook in ("pre-commit", "post-checkout", "post-index-change", "fsmonitor-watchman"):
        (repo / ".git" / "hooks").mkdir(exist_ok=True)
        (repo / ".git" / "hooks" / hook).write_bytes(program.read_bytes())
        (repo / ".git" / "hooks" / hook).chmod(0o755)
    found = list(read_source(Config(source=str(repo), held_out_after="2026-02-01"), demo_code=repo))
    assert [item.path for item in found if isinstance(item, Document)] == ["a.py", "b.py"]
    assert [item.path for item in found if isinstance(item, Dropped)] == [".gitattributes"]
    assert not marker.exists()
    with contextlib.suppress(subprocess.CalledProcessError):
        git(repo, "status")  # git itself does run it, so the trap is one
    assert marker.exists()
