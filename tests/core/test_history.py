from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import ConfigError, SourceError
from codetune_ui.core.git import Checkout, find_checkout
from codetune_ui.core.history import day_of, history_since, seconds_of
from codetune_ui.core.pipeline import collect
from codetune_ui.core.source import read_source
from codetune_ui.core.split import split_documents
from tests.repos import commit, git, make_repo, needs_git, write

pytestmark = needs_git


def checkout(repo: Path) -> Checkout:
    found = find_checkout(repo)
    assert found is not None
    return found


def split(source: Path, date: str) -> tuple[list[str], list[str]]:
    config = Config(source=str(source), held_out_after=date)
    items = collect(read_source(config, demo_code=source), config)
    train, val = split_documents([i for i in items if isinstance(i, Document)], config)
    return [d.path for d in train], [d.path for d in val]


def code(number: int) -> str:
    lines = (f"value_{number}_{k} = compute(other_{number * k})\n" for k in range(9))
    return "".join(lines)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = make_repo(tmp_path / "r", {f"{n}.py": code(n) for n in range(6)}, date="2025-12-01")
    commit(folder, {"1.py": code(11)}, date="2026-01-10")
    commit(folder, {"2.py": code(12), "new/7.py": code(7)}, date="2026-02-01")
    return folder


def test_files_changed_on_the_day_or_later_are_held_out(repo: Path) -> None:
    assert split(repo, "2026-02-01") == (
        ["0.py", "1.py", "3.py", "4.py", "5.py"],
        ["2.py", "new/7.py"],
    )
    assert split(repo, "2026-01-10")[1] == ["1.py", "2.py", "new/7.py"]


def test_the_days_are_those_that_git_log_names(repo: Path) -> None:
    since = seconds_of("2026-01-01")
    history = history_since(checkout(repo), since)
    listed = git(repo, "log", "--since=2026-01-01", "--name-only", "--format=").split()
    assert set(history.times) == set(listed) == {"1.py", "2.py", "new/7.py"}
    assert day_of(history.changed("1.py")) == "2026-01-10"
    assert history.changed("0.py") == since - 1  # before it, no more is known


def test_a_change_on_a_merged_branch_counts_by_its_own_day(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side", "HEAD~2")
    commit(repo, {"3.py": code(33)}, date="2026-01-15")
    git(repo, "checkout", "-q", "main")
    git(repo, "merge", "-q", "--no-ff", "-m", "merge", "side", date="2026-03-01")
    assert split(repo, "2026-01-12")[1] == ["2.py", "3.py", "new/7.py"]
    assert split(repo, "2026-01-20")[1] == ["2.py", "new/7.py"]


def test_a_folder_of_the_checkout_has_the_same_days(repo: Path) -> None:
    commit(repo, {"new/8.py": code(8), "new/9.py": code(9)}, date="2026-03-01")
    assert split(repo / "new", "2026-02-15") == (["7.py"], ["8.py", "9.py"])


def test_packed_objects_and_refs_are_read_too(repo: Path) -> None:
    git(repo, "gc", "-q")
    git(repo, "pack-refs", "--all")
    assert split(repo, "2026-02-01")[1] == ["2.py", "new/7.py"]


def test_nothing_changed_since_names_the_newest_day(repo: Path) -> None:
    with pytest.raises(SourceError, match="No file has changed on or after 2026-05-01") as caught:
        split(repo, "2026-05-01")
    assert "2026-02-01" in caught.value.hint


def test_everything_changed_since_names_the_days_there_are(repo: Path) -> None:
    with pytest.raises(SourceError, match="none is left to train on") as caught:
        split(repo, "2025-01-01")
    assert caught.value.hint.startswith("The files changed between 2025-12-01 and 2026-02-01")


def test_a_source_without_history_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "plain", {f"{n}.py": code(n) for n in range(4)})
    with pytest.raises(SourceError, match=r"'0\.py' has no git history"):
        split(tmp_path / "plain", "2026-01-01")


def test_a_history_that_was_fetched_in_part_says_how_far_it_goes(
    repo: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", repo.as_uri(), "part")
    with pytest.raises(SourceError, match="fetched back to 2026-02-01 only") as caught:
        split(tmp_path / "part", "2026-01-20")
    assert "unshallow" in caught.value.hint


def test_a_history_with_holes_is_told_in_words(repo: Path) -> None:
    for file in (repo / ".git" / "objects").glob("??/*"):
        file.chmod(0o600)
        file.write_bytes(b"torn")
    with pytest.raises(SourceError, match="git history of 'r' cannot be read"):
        split(repo, "2026-01-20")


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "01.02.2026", "2026-02-30"])
def test_what_is_no_date_is_refused_before_anything_is_read(tmp_path: Path, date: str) -> None:
    with pytest.raises(ConfigError, match="is no date") as caught:
        read_source(Config(source=str(tmp_path), held_out_after=date), demo_code=tmp_path)
    assert caught.value.field == "held_out_after"
