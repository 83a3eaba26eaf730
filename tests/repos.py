"""Repositories for tests, made by the real git with dates and a name of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

CODE = "def add(left, right):\n    return left + right\n"


def git(folder: Path, *words: str, date: str = "2026-01-01") -> str:
    """Run git in a folder, with nobody's configuration."""
    me = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME",)}
    env = {
        **me,
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_AUTHOR_EMAIL": "a@b.c",
        "GIT_COMMITTER_EMAIL": "a@b.c",
        "GIT_AUTHOR_DATE": f"{date}T12:00:00Z",
        "GIT_COMMITTER_DATE": f"{date}T12:00:00Z",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",  # a name that begins with ":" is a name
        "GIT_ALLOW_PROTOCOL": "file",
    }
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *words],
        cwd=folder,
        env=env,
        check=True,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    return done.stdout


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files with their folders."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def make_repo(folder: Path, files: dict[str, str], *, date: str = "2026-01-01") -> Path:
    """Make a repository with one commit of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    commit(folder, files, date=date)
    return folder


def commit(folder: Path, files: dict[str, str], *, date: str) -> None:
    """Write files and commit them on a day."""
    write(folder, files)
    git(folder, "add", "-f", *files)
    git(folder, "commit", "-q", "-m", "change", date=date)
