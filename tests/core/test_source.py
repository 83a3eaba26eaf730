from __future__ import annotations

import inspect
import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import ConfigError, SourceError
from codetune_ui.core.source import read_source

CODE = "def add(left, right):\n    return left + right\n"


def read(source: Path | str, **settings: str) -> list[Document | Dropped]:
    config = Config(source=str(source), **settings)  # type: ignore[arg-type]
    return list(read_source(config, demo_code=Path("/nowhere")))


def reasons(found: list[Document | Dropped]) -> dict[str, str]:
    return {item.path: str(item.reason) for item in found if isinstance(item, Dropped)}


def paths(found: list[Document | Dropped]) -> list[str]:
    return [item.path for item in found if isinstance(item, Document)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "src").mkdir(parents=True)
    (root / "src" / "app.py").write_text(CODE)
    return root


def test_a_folder_gives_its_code_in_order_of_names(code_folder: Path) -> None:
    found = paths(read(code_folder))
    assert len(found) == 24
    assert found[:2] == ["part_0/module_0.py", "part_0/module_12.py"]


def test_the_demo_is_the_folder_that_is_given(tree: Path) -> None:
    found = list(read_source(Config(source="demo"), demo_code=tree))
    assert found == [Document(CODE, "src/app.py", "Python", "src")]


def test_a_file_at_the_top_is_its_own_group(tree: Path) -> None:
    (tree / "setup.py").write_text(CODE)
    groups = {item.path: item.group for item in read(tree) if isinstance(item, Document)}
    assert groups == {"setup.py": "setup.py", "src/app.py": "src"}


def test_prose_data_and_configuration_are_no_code(tree: Path) -> None:
    for name in ("README.md", "data.json", "ci.yaml", "pyproject.toml", "LICENSE", "notes.txt"):
        (tree / name).write_text("words")
    assert set(reasons(read(tree)).values()) == {"not code"}


def test_windows_line_ends_become_unix_ones_and_leave_a_note(tree: Path) -> None:
    (tree / "src" / "app.py").write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    [document] = read(tree)
    assert isinstance(document, Document)
    assert (document.text, document.note) == ("a = 1\nb = 2\n", "line ends were CRLF")


def test_what_is_not_text_is_dropped_with_its_reason(tree: Path) -> None:
    (tree / "binary.py").write_bytes(b"a\0b")
    (tree / "latin.py").write_bytes("name = 'José'".encode("latin-1"))
    (tree / "large.py").write_bytes(b"a = 1\n" * 200_000)
    assert reasons(read(tree)) == {
        "binary.py": "binary",
        "large.py": "too large",
        "latin.py": "not UTF-8",
    }


def test_utf16_with_its_mark_is_read(tree: Path) -> None:
    (tree / "src" / "app.py").write_bytes("x = 'é'\n".encode("utf-16"))
    [document] = read(tree)
    assert isinstance(document, Document)
    assert document.text == "x = 'é'\n"


def test_keys_are_dropped_by_their_names_unopened(tree: Path) -> None:
    for name in (".env", ".env.local", "server.pem", "id_rsa", ".netrc", "secrets.json"):
        (tree / name).write_text(CODE)
    assert set(reasons(read(tree)).values()) == {"keys or credentials by name"}


def test_every_file_of_a_vendored_folder_is_named(tree: Path) -> None:
    (tree / "web" / "node_modules" / "left").mkdir(parents=True)
    (tree / "web" / "node_modules" / "left" / "a.js").write_text(CODE)
    (tree / "web" / "node_modules" / "b.js").write_text(CODE)
    assert reasons(read(tree)) == {
        "web/node_modules/b.js": "vendored",
        "web/node_modules/left/a.js": "vendored",
    }


def test_nested_ignore_files_and_negations_are_honoured(tree: Path) -> None:
    (tree / ".gitignore").write_text("*.gen.py\nbuild/\n")
    (tree / "build").mkdir()
    (tree / "build" / "x.py").write_text(CODE)
    (tree / "src" / ".gitignore").write_text("!keep.gen.py\nlocal.py\n")
    for name in ("keep.gen.py", "drop.gen.py", "local.py"):
        (tree / "src" / name).write_text(CODE)
    found = read(tree)
    assert paths(found) == ["src/app.py", "src/keep.gen.py"]
    ignored = [path for path, reason in reasons(found).items() if "ignored" in reason]
    assert ignored == ["build/x.py", "src/drop.gen.py", "src/local.py"]


def test_the_repository_itself_is_no_part_of_the_code(tree: Path) -> None:
    (tree / ".git" / "info").mkdir(parents=True)
    (tree / ".git" / "hook.py").write_text(CODE)
    (tree / ".git" / "info" / "exclude").write_text("app.py\n")
    (tree / "main.py").write_text(CODE)
    found = read(tree)
    assert paths(found) == ["main.py"]
    assert reasons(found) == {"src/app.py": "ignored by .gitignore"}


def test_a_scan_never_runs_git(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = tmp_path / "called"
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f"#!/bin/sh\ntouch {called}\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    (tree / ".git").mkdir()
    (tree / ".git" / "config").write_text(f"[core]\n\tfsmonitor = {git}\n")
    read(tree)
    assert not called.exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_links_pipes_and_sockets_are_never_opened(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text(CODE)
    (tree / "link.py").symlink_to(outside)
    (tree / "loop").symlink_to(tree, target_is_directory=True)
    (tree / "dangling.py").symlink_to(tmp_path / "nothing")
    os.mkfifo(tree / "pipe.py")
    short = Path("/tmp") / f"ct-{os.getpid()}.sock"  # a socket's path has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short))
        short.rename(tree / "socket.py")
    assert stat.S_ISSOCK((tree / "socket.py").stat().st_mode)
    assert reasons(read(tree)) == {
        "dangling.py": "a link",
        "link.py": "a link",
        "loop": "a link",
        "pipe.py": "cannot be read",
        "socket.py": "cannot be read",
    }


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")
def test_a_name_that_is_not_utf8_survives(tree: Path) -> None:
    with open(os.fsencode(tree) + b"/caf\xe9.py", "w") as file:  # noqa: PTH123 - a name in bytes
        file.write(CODE)
    assert paths(read(tree)) == ["caf\\xe9.py", "src/app.py"]


def test_folders_may_nest_deeper_than_recursion_goes(tree: Path) -> None:
    deep = tree.joinpath(*["d"] * 400)
    deep.mkdir(parents=True)
    (deep / "deep.py").write_text(CODE)
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 200)
    try:
        found = paths(read(tree))
    finally:
        sys.setrecursionlimit(usual)
    assert [path.rpartition("/")[2] for path in found] == ["deep.py", "app.py"]


def test_include_and_exclude_are_patterns_as_in_gitignore(tree: Path) -> None:
    for name in ("src/app.ts", "src/old.py", "top.py"):
        (tree / name).write_text(CODE)
    found = read(tree, include="src/**/*.py, src/*.py", exclude="old.py")
    assert paths(found) == ["src/app.py"]
    assert reasons(found) == {
        "src/app.ts": "outside 'Only these files'",
        "src/old.py": "matches 'Not these files'",
        "top.py": "outside 'Only these files'",
    }


def test_a_pattern_that_is_none_names_its_setting(tree: Path) -> None:
    with pytest.raises(ConfigError, match="is no pattern") as error:
        read(tree, exclude="!")
    assert error.value.field == "exclude"


def test_a_broken_line_in_an_ignore_file_is_passed_over_as_git_does(tree: Path) -> None:
    (tree / ".gitignore").write_text("!\n[z-a]\n*.log\n")
    assert paths(read(tree)) == ["src/app.py"]


def test_a_script_without_an_ending_is_known_by_its_first_line(tree: Path) -> None:
    (tree / "deploy").write_text("#!/usr/bin/env python3\n" + CODE)
    (tree / "words").write_text("plain words\n")
    found = read(tree)
    assert paths(found) == ["deploy", "src/app.py"]
    assert reasons(found) == {"words": "not code"}


def test_a_missing_folder_is_one_sentence_and_a_way_out() -> None:
    with pytest.raises(SourceError) as error:
        read("/no/such/place")
    assert error.value.message == "There is no folder or file '/no/such/place'."
    assert "Check the path" in error.value.hint


@pytest.mark.parametrize("source", ["~nobody-of-that-name/code", "x" * 5000, ""])
def test_a_path_that_cannot_be_one_is_refused_in_words(source: str) -> None:
    with pytest.raises(SourceError):
        read(source)


def test_a_folder_without_code_says_what_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "prose"
    folder.mkdir()
    for index in range(3):
        (folder / f"{index}.md").write_text("words")
    with pytest.raises(SourceError) as error:
        read(folder)
    assert error.value.message == f"There is no code in '{folder}'."
    assert error.value.hint == "It holds 3 files: 3 not code. Choose another one."


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(SourceError, match="It is empty"):
        read(folder)


def test_a_single_source_file_is_no_source(tree: Path) -> None:
    with pytest.raises(SourceError, match="is not a source of code"):
        read(tree / "src" / "app.py")


def test_a_file_that_became_a_pipe_is_not_waited_for(tree: Path) -> None:
    found = read_source(Config(source=str(tree)), demo_code=tree)
    (tree / "src" / "app.py").unlink()
    os.mkfifo(tree / "src" / "app.py")
    with pytest.raises(SourceError, match="no code"):
        list(found)


def test_reading_may_stop_after_the_first(tree: Path) -> None:
    first = next(iter(read_source(Config(source=str(tree)), demo_code=tree)))
    assert first.path == "src/app.py"


def test_each_drop_reason_says_something_else() -> None:
    assert len({str(reason) for reason in DropReason}) == len(DropReason)
