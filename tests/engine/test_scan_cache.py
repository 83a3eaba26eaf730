from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.engine import scan_cache
from codetune_ui.engine.scan_cache import ScanCache, scan_key, source_state
from codetune_ui.runs.store import Home, Run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "lib").mkdir(parents=True)
    (folder / "a.py").write_text("a = 1\n")
    (folder / "lib" / "b.py").write_text("b = 1\n")
    (folder / ".gitignore").write_text("*.log\n")
    settle(folder)
    return folder


def settle(*_: Path) -> None:
    """Wait until what was just written is old enough to be trusted."""
    time.sleep(2 * scan_cache.SETTLED_S)


def state(source: Path | str, **changes: object) -> str | None:
    return source_state(Config.from_dict({"source": str(source), **changes}))


def test_an_unchanged_folder_is_known_again(source: Path) -> None:
    assert state(source) is not None
    assert state(source) == state(source)


@pytest.mark.parametrize("name", ["a.py", "lib/b.py", ".gitignore", "new.py", "lib/new.txt"])
def test_a_file_that_is_changed_or_added_is_seen(source: Path, name: str) -> None:
    before = state(source)
    (source / name).write_text("c = 3\n")
    settle()
    assert state(source) not in (None, before)


def test_a_change_under_the_old_date_and_size_is_seen(source: Path) -> None:
    before, old = state(source), (source / "a.py").stat()
    (source / "a.py").write_text("z = 9\n")
    os.utime(source / "a.py", ns=(old.st_atime_ns, old.st_mtime_ns))
    settle()
    assert state(source) != before


def test_a_file_that_is_gone_is_seen(source: Path) -> None:
    before = state(source)
    (source / "a.py").unlink()
    assert state(source) != before


def test_a_file_written_this_very_moment_is_not_trusted(source: Path) -> None:
    (source / "a.py").write_text("now\n")
    future = time.time() + 60
    os.utime(source / "a.py", (future, future))
    assert state(source) is None


def test_what_git_tracks_and_what_stands_above_is_seen(source: Path) -> None:
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    settle()
    before = state(source / "lib")
    subprocess.run(["git", "-C", str(source), "add", "lib/b.py"], check=True)
    settle()
    after = state(source / "lib")
    assert after not in (None, before)
    (source / ".gitignore").write_text("lib/\n")
    settle()
    assert state(source / "lib") != after


def test_a_checkout_whose_index_lies_elsewhere_is_always_read(source: Path) -> None:
    (source / ".git").write_text("gitdir: /elsewhere\n")
    assert state(source) is None


@pytest.mark.parametrize("place", ["hub:a/b", "https://host/a.git", "/no/such/place"])
def test_what_is_not_on_this_machine_is_always_read(source: Path, place: str) -> None:
    assert state(place) is None
    assert state(f"{source}; {place}") is None


def test_a_changed_setting_tokenizer_or_row_makes_another_key(source: Path) -> None:
    base = Config.from_dict({"source": str(source)})
    keys = {
        scan_key(base, "t", 1),
        scan_key(base, "u", 1),
        scan_key(base.replace(exclude="*.ts"), "t", 1),
        scan_key(base.replace(max_seq_len=128), "t", 1),
        scan_key(base.replace(secrets="drop"), "t", 1),
    }
    assert len(keys) == 5
    assert scan_key(base.replace(learning_rate=0.5), "t", 1) in keys


# --- entries


@pytest.fixture
def there(home: Path) -> Home:
    return Home(home)


def finished(there: Home, text: str = "{}\n") -> Run:
    scan = there.create_scan(Config())
    for name in scan_cache.LISTS:
        (scan.path / name).write_text(text)
    return scan


def test_a_kept_scan_comes_back_whole(there: Home) -> None:
    cache, again = ScanCache(there), there.create_scan(Config())
    cache.keep("key", finished(there, "one\n"), {"found": 1})
    assert cache.take("key", again) == {"found": 1}
    assert (again.path / "documents.jsonl").read_text() == "one\n"


def test_an_unknown_key_gives_nothing(there: Home) -> None:
    assert ScanCache(there).take("key", there.create_scan(Config())) is None


def test_an_entry_that_is_not_whole_gives_nothing_and_leaves_nothing(there: Home) -> None:
    cache, again = ScanCache(there), there.create_scan(Config())
    cache.keep("key", finished(there), {"found": 1})
    (cache.folder / "key" / "documents.jsonl").unlink()
    assert cache.take("key", again) is None
    assert not (again.path / "files.jsonl").exists()


def test_only_the_scans_used_last_stay(there: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_cache, "MOST_SCANS", 2)
    cache = ScanCache(there)
    for place, key in enumerate("abc"):
        cache.keep(key, finished(there), {"found": place})
        os.utime(cache.folder / key, (1000 + place, 1000 + place))
    cache.keep("d", finished(there), {})
    assert sorted(path.name for path in cache.folder.iterdir()) == ["c", "d"]


def test_a_scan_larger_than_the_cache_is_not_kept(
    there: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_cache, "MOST_BYTES", 5)
    ScanCache(there).keep("key", finished(there, "123456"), {})
    assert not (there.cache_dir / "scan").exists()


def test_what_an_interrupted_scan_left_is_dropped(there: Home) -> None:
    cache = ScanCache(there)
    (cache.folder / ".half").mkdir(parents=True)
    cache.keep("key", finished(there), {})
    assert [path.name for path in cache.folder.iterdir()] == ["key"]


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_others_on_this_machine_cannot_look_in(there: Home) -> None:
    cache = ScanCache(there)
    cache.keep("key", finished(there), {"found": json.dumps("x")})
    assert (cache.folder / "key").stat().st_mode & 0o077 == 0
