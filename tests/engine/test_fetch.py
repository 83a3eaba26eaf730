from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import SourceError
from codetune_ui.engine import fetch as fetching
from codetune_ui.engine.fetch import clone_command, environment, fetch
from codetune_ui.engine.reading import read_documents
from codetune_ui.engine.report import StopRequested
from codetune_ui.runs.store import Home
from tests.repos import CODE, commit, git, make_repo, needs_git

pytestmark = needs_git


def code(number: int) -> str:
    return "".join(f"value_{number}_{k} = compute(other_{number * k})\n" for k in range(9))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    make_repo(tmp_path / "work", {"a.py": code(1), "src/b.py": code(2)}, date="2026-01-01")
    commit(tmp_path / "work", {"src/c.py": code(3)}, date="2026-02-01")
    git(tmp_path, "clone", "-q", "--bare", "work", "bare.git")
    return tmp_path / "bare.git"


def push(bare: Path, files: dict[str, str], date: str) -> None:
    commit(bare.parent / "work", files, date=date)
    git(bare.parent / "work", "push", "-q", str(bare), "main")


def read(url: str, **settings: str) -> list[str]:
    config = Config(source=url, **settings)  # type: ignore[arg-type]
    return [item.path for item in read_documents(config) if isinstance(item, Document)]


def test_a_url_is_cloned_without_its_history_and_read_as_a_checkout(bare: Path, home: Path) -> None:
    assert read(bare.as_uri()) == ["a.py", "src/b.py", "src/c.py"]
    [clone] = [path for path in (home / "cache" / "git").iterdir() if path.is_dir()]
    assert git(clone, "rev-list", "--count", "HEAD").strip() == "1"


def test_a_second_scan_reads_what_is_new_and_training_what_was_scanned(bare: Path) -> None:
    folder = fetch(bare.as_uri(), Home.current())
    push(bare, {"d.py": code(4)}, "2026-03-01")
    assert fetch(bare.as_uri(), Home.current(), refresh=False) == folder
    assert not (folder / "d.py").exists()
    assert fetch(bare.as_uri(), Home.current()) == folder
    assert (folder / "d.py").read_text() == code(4)


def test_a_branch_that_was_written_anew_is_followed(bare: Path) -> None:
    fetch(bare.as_uri(), Home.current())
    git(bare.parent / "work", "reset", "-q", "--hard", "HEAD~1")
    commit(bare.parent / "work", {"e.py": code(5)}, date="2026-03-01")
    git(bare.parent / "work", "push", "-q", "--force", str(bare), "main")
    folder = fetch(bare.as_uri(), Home.current())
    assert sorted(path.name for path in folder.rglob("*.py")) == ["a.py", "b.py", "e.py"]


def test_held_out_by_time_fetches_the_history(bare: Path) -> None:
    config = Config(source=bare.as_uri(), held_out_after="2026-01-20")
    days = {d.path: d.changed for d in read_documents(config) if isinstance(d, Document)}
    assert {path for path, changed in days.items() if changed >= 1768867200} == {"src/c.py"}


def test_a_url_among_other_sources_keeps_its_name(bare: Path, code_folder: Path) -> None:
    paths = read(f"{bare.as_uri()}; {code_folder} *2")
    assert paths[0] == "bare/a.py"
    assert paths[-1].startswith(f"{code_folder.name}/part_")


@pytest.mark.skipif(os.name == "nt", reason="POSIX links")
def test_a_link_in_the_repository_is_never_made(bare: Path) -> None:
    work = bare.parent / "work"
    (work / "passwd.py").symlink_to("/etc/passwd")
    git(work, "add", "passwd.py")
    push(bare, {"f.py": code(6)}, "2026-03-01")
    folder = fetch(bare.as_uri(), Home.current())
    assert not (folder / "passwd.py").is_symlink()
    told = {
        i.path: str(getattr(i, "reason", "kept"))
        for i in read_documents(Config(source=bare.as_uri()))
    }
    assert told["passwd.py"] == "a link"


def test_filters_of_the_repository_are_not_run(bare: Path) -> None:
    attributes = "*.py filter=lfs diff=lfs\n*.ts filter=evil\n"
    push(bare, {".gitattributes": attributes, "x.ts": CODE}, "2026-03-01")
    folder = fetch(bare.as_uri(), Home.current())
    assert (folder / "x.ts").read_text() == CODE


def test_hooks_of_the_person_s_template_are_not_taken(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, hooks = tmp_path / "marker", tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    (hooks / "post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(hooks.parent))
    (tmp_path / "gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    fetch(bare.as_uri(), Home.current())
    assert not marker.exists()


def test_the_command_ends_its_options_before_the_url() -> None:
    command = clone_command("git@host:a/b.git", Path("/cache/x"), history=False)
    assert command[-3:] == ["--", "git@host:a/b.git", str(Path("/cache/x"))]
    assert "--depth=1" in command
    assert "--no-recurse-submodules" in command
    assert "protocol.allow=never" in command
    assert "protocol.file.allow=always" not in command
    assert "--filter=blob:none" in clone_command("git@host:a/b", Path("/x"), history=True)


def test_ssh_asks_nobody_and_takes_no_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "evil")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    variables = environment()
    assert "-o BatchMode=yes -o StrictHostKeyChecking=yes" in variables["GIT_SSH_COMMAND"]
    assert variables["GIT_TERMINAL_PROMPT"] == "0"
    assert variables["SSH_AUTH_SOCK"] == "/agent"
    assert "GIT_DIR" not in variables


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_an_unknown_host_is_refused_with_the_options_that_reach_ssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(
        f"#!/bin/sh\necho \"$@\" > '{tmp_path}/asked'\n"
        "echo 'Host key verification failed.' >&2\nexit 255\n"
    )
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    with pytest.raises(SourceError, match="host key of 'git@host:a/b' is not known") as caught:
        read("git@host:a/b")
    assert "by hand with ssh" in caught.value.hint
    asked = (tmp_path / "asked").read_text()
    assert "-o BatchMode=yes -o StrictHostKeyChecking=yes" in asked
    assert "git@host git-upload-pack 'a/b'" in asked


def test_a_repository_that_is_not_there_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, home: Path
) -> None:
    with pytest.raises(SourceError, match="There is no repository at"):
        read((tmp_path / "nothing.git").as_uri())
    assert not [path for path in (home / "cache" / "git").iterdir() if path.is_dir()]


def test_an_empty_repository_has_no_code(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    with pytest.raises(SourceError, match="There is no code in"):
        read((tmp_path / "empty.git").as_uri())


@pytest.mark.parametrize(
    ("told", "message", "hint"),
    [
        ("Host key verification failed.\nfatal: Could not read from remote", "host key", "by hand"),
        ("git@h: Permission denied (publickey).\nfatal: Could not", "needs a login", "ssh-add"),
        ("fatal: could not read Username for 'https://h': terminal", "needs a login", "ssh"),
        ("remote: Repository not found.\nfatal: repository 'x' not found", "no repository", "ssh"),
        ("fatal: unable to access 'u': Could not resolve host: h", "cannot be reached", "network"),
        ("fatal: write error: No space left on device", "disk is too full", "Free"),
        ("fatal: something else", "fatal: something else", "address"),
    ],
)
def test_what_git_says_becomes_one_sentence(told: str, message: str, hint: str) -> None:
    error = fetching._why(told, "https://h/a")
    assert message in error.message
    assert hint in error.hint


def test_without_git_the_way_out_is_named(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="git is not installed"):
        read(bare.as_uri())


def test_offline_the_clone_from_before_is_read(
    bare: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read(bare.as_uri())

    def unreachable(_told: str, url: str) -> SourceError:
        return fetching.UnreachableError(f"'{url}' cannot be reached.", "")

    monkeypatch.setattr(fetching, "_why", unreachable)
    shutil.move(bare, bare.with_name("away.git"))
    with caplog.at_level(logging.WARNING):
        assert read(bare.as_uri()) == ["a.py", "src/b.py", "src/c.py"]
    assert "The clone fetched before is read." in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_cancel_ends_git_and_what_it_started(
    bare: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\nsleep 600 &\necho $! > '{tmp_path}/child'\nwait\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    wish = threading.Event()
    threading.Thread(target=_set_when, args=(wish, tmp_path / "child")).start()
    with pytest.raises(StopRequested):
        fetch(bare.as_uri(), Home.current(), cancelled=wish.is_set)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _lives(child):
            break
        time.sleep(0.05)
    assert not _lives(child)
    assert not [path for path in (home / "cache" / "git").iterdir() if path.is_dir()]


def _set_when(wish: threading.Event, path: Path) -> None:
    while not (path.exists() and path.read_text().endswith("\n")):
        time.sleep(0.02)
    wish.set()


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
