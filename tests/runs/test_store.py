from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.runs.leftovers import discard_attempt, written_by_now
from codetune_ui.runs.lock import hold
from codetune_ui.runs.state import State, Status
from codetune_ui.runs.store import Home, Run, derive_state, read_json, replace_json
from tests.runs.processes import working


@pytest.fixture
def run(home: Path) -> Run:
    return Home(home).create_run(Config(), "first")


def test_the_environment_says_where_home_is(home: Path) -> None:
    assert Home.current().path == home.resolve()


def test_a_new_run_has_its_settings_and_is_created(run: Run) -> None:
    assert run.config() == Config()
    assert run.state() == "created"
    assert run.status() == Status()
    assert run.result() is None
    assert run.log_tail() == ""


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_its_owner_can_enter_a_run(run: Run) -> None:
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700


def test_a_taken_name_is_refused(run: Run) -> None:
    with pytest.raises(RunError, match="There is a run named 'first' already"):
        run.home.create_run(Config(), "first")


def test_a_run_without_a_name_gets_two_words(home: Path) -> None:
    assert Home(home).create_run(Config()).name.count("-") == 1


def test_paths_in_the_settings_become_absolute(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    config = Config(source="./code", base_model="model")
    kept = Home(home).create_run(config).config()
    assert kept.source == str(tmp_path / "code")
    assert kept.base_model == str(tmp_path / "model")


@pytest.mark.parametrize("source", ["demo", "hub:owner/name", "https://example.org/a.git"])
def test_a_source_that_is_no_path_stays_as_it_is(home: Path, source: str) -> None:
    assert Home(home).create_run(Config(source=source)).config().source == source


def test_a_home_that_cannot_be_written_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(MachineError, match="choose another folder"):
        Home(tmp_path / "file").create_run(Config())


def test_runs_are_listed_newest_first(home: Path) -> None:
    for age, name in enumerate(["newest", "middle", "oldest"]):
        config_path = Home(home).create_run(Config(), name).config_path
        os.utime(config_path, (1000 - age, 1000 - age))
    assert [run.name for run in Home(home).runs()] == ["newest", "middle", "oldest"]


def test_an_unknown_run_is_refused(home: Path) -> None:
    with pytest.raises(RunError, match="There is no run 'nobody'"):
        Home(home).run("nobody")


@pytest.mark.parametrize("name", ["../first", "..", "a/../first", ""])
def test_a_name_cannot_lead_out_of_the_home(run: Run, name: str) -> None:
    with pytest.raises(RunError):
        run.home.run(name)


def test_a_link_that_leads_out_of_the_home_is_no_run(home: Path, tmp_path: Path) -> None:
    outside = Home(tmp_path / "other").create_run(Config(), "theirs")
    Home(home).runs_dir.mkdir()
    (Home(home).runs_dir / "linked").symlink_to(outside.path)
    with pytest.raises(RunError, match="There is no run 'linked'"):
        Home(home).run("linked")


def test_a_run_is_found_by_its_new_name(run: Run) -> None:
    renamed = run.home.rename(run, "second")
    assert renamed.config() == Config()
    assert [other.name for other in run.home.runs()] == ["second"]


def test_renaming_to_a_taken_name_is_refused(run: Run) -> None:
    run.home.create_run(Config(), "second")
    with pytest.raises(RunError, match="already"):
        run.home.rename(run, "second")


def test_a_deleted_run_leaves_nothing(run: Run) -> None:
    run.home.delete(run)
    assert run.home.runs() == []
    assert list(run.home.runs_dir.iterdir()) == []


def test_a_living_run_can_neither_be_deleted_nor_renamed(run: Run) -> None:
    with hold(run.lock_path):
        with pytest.raises(RunError, match="is running and cannot be deleted"):
            run.home.delete(run)
        with pytest.raises(RunError, match="is running and cannot be renamed"):
            run.home.rename(run, "second")


def test_a_dead_worker_is_lost(run: Run) -> None:
    with working(run) as worker:
        assert run.state() == "running"
        worker.kill()
        worker.wait()
        assert run.state() == "lost"


def test_a_worker_that_was_killed_but_not_waited_for_is_lost(run: Run) -> None:
    with working(run) as worker:
        worker.kill()
        assert worker.stdout is not None
        worker.stdout.read()  # ended, and a zombie of ours
        assert run.state() == "lost"


@pytest.mark.parametrize(
    ("written", "alive", "asked", "derived"),
    [
        ("created", False, False, "created"),
        ("created", True, False, "preparing"),
        ("running", True, False, "running"),
        ("running", True, True, "stopping"),
        ("preparing", False, False, "lost"),
        ("stopping", False, True, "lost"),
        ("stopped", False, True, "stopped"),
        ("finished", True, False, "finished"),
        ("failed", False, False, "failed"),
    ],
)
def test_the_lock_corrects_what_was_written(
    written: State, alive: bool, asked: bool, derived: State
) -> None:
    assert derive_state(written, alive=alive, asked=asked) == derived


def test_json_is_replaced_as_a_whole_and_leaves_no_scratch(tmp_path: Path) -> None:
    path = tmp_path / "a" / "result.json"
    path.parent.mkdir()
    replace_json(path, {"loss": float("nan"), "name": "é"})
    assert read_json(path) == {"loss": None, "name": "é"}
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    replace_json(path, {"step": 1})
    with pytest.raises(TypeError):
        replace_json(path, {"step": object()})
    assert read_json(path) == {"step": 1}


def test_a_broken_file_reads_as_missing(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"loss": 1', encoding="utf-8")
    assert read_json(tmp_path / "result.json") is None


def test_the_log_tail_has_the_last_lines(run: Run) -> None:
    run.log_path.write_text("\n".join(f"line {n}" for n in range(100)), encoding="utf-8")
    assert run.log_tail(2) == "line 98\nline 99"


def test_discarding_keeps_what_an_earlier_attempt_saved(run: Run) -> None:
    for name in ["step_000100", "step_000200"]:
        (run.checkpoints_dir / name).mkdir(parents=True)
    run.adapter_dir.mkdir()
    os.utime(run.checkpoints_dir / "step_000100", (1000, 1000))
    run.write_status(Status(state="stopped", started=2000))
    discard_attempt(run)
    assert [path.name for path in run.checkpoints_dir.iterdir()] == ["step_000100"]
    assert not run.adapter_dir.exists()


def test_discarding_goes_by_what_was_there_and_not_by_the_clock(run: Run) -> None:
    old, best = run.checkpoints_dir / "step_000004", run.best_dir / "step_000004"
    for folder in (old, best, run.adapter_dir):
        folder.mkdir(parents=True)
        os.utime(folder, (4e9, 4e9))  # the clock was far ahead when they were written
    run.write_status(Status(state="stopped", started=2e9, earlier=written_by_now(run)))
    new = run.checkpoints_dir / "step_000008"
    new.mkdir()
    os.utime(new, (1e9, 1e9))  # and was set back while the attempt ran
    discard_attempt(run)
    assert [folder.is_dir() for folder in (old, best, run.adapter_dir, new)] == [
        True,
        True,
        True,
        False,
    ]


def test_only_the_newest_scans_are_kept(home: Path) -> None:
    scans = [Home(home).create_scan(Config()) for _ in range(12)]
    latest = Home(home).latest_scan()
    assert latest is not None
    assert latest.path == scans[-1].path
    assert len(list(Home(home).scans_dir.iterdir())) == 10
    assert Home(home).scan(scans[-1].name).config() == Config()
