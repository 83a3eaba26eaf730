from __future__ import annotations

import json
from pathlib import Path

import pytest

from codetune_ui.core.presets import preset
from codetune_ui.runs.events import EventWriter
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.lock import hold
from codetune_ui.runs.state import State, Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import corpus
from tests.ui.test_data_view import REPORT


@pytest.fixture
def there(home: Path) -> Home:
    return Home(home)


def scanned(home: Home, state: State, *, report: bool = False, **said: str) -> Run:
    scan = home.create_scan(preset("demo"))
    scan.write_status(Status.begin("scan").replace(state=state, **said))
    if report:
        replace_json(scan.path / "report.json", REPORT)
    return scan


def test_before_any_scan_there_is_one_sentence(there: Home) -> None:
    view = corpus.look(there, "")
    assert (view.state, view.active) == ("none", False)
    assert "No code scanned yet." in (view.body or "")


def test_a_scan_that_was_deleted_is_gone(there: Home) -> None:
    assert corpus.look(there, "20990101-0000").state == "gone"


def test_a_scan_under_way_grows_and_leaves_the_old_result(there: Home) -> None:
    scan = scanned(there, "running", phase="Reading")
    with EventWriter(scan.events_path) as events:
        events.write("scan", found=7, kept=5, dropped=2)
    lines = [{"path": f"{n}.py", "language": "Python", "reason": None} for n in range(20)]
    torn = "\n".join(map(json.dumps, lines)) + '\n{"path": "to'
    (scan.path / "files.jsonl").write_text(torn)
    with hold(scan.lock_path):
        view = corpus.look(there, scan.name)
    assert view.active
    assert view.line == "Reading · 7 files found = 5 kept + 2 dropped"
    assert view.body is None
    assert (view.rows or "").index("19.py") < (view.rows or "").index("18.py")


def test_files_that_are_read_are_shown_before_they_are_decided_upon(there: Home) -> None:
    scan = scanned(there, "running", phase="Reading")
    with EventWriter(scan.events_path) as events:
        events.write("scan", found=0, kept=0, dropped=0, characters=0, read=120)
    (scan.path / "files.jsonl").write_text('{"path": "a.py", "language": "", "reason": null}\n')
    with hold(scan.lock_path):
        view = corpus.look(there, scan.name)
    assert view.line == "Reading · 120 files read"
    assert "a.py" in (view.rows or "")


def test_a_scan_before_its_first_count_is_starting(there: Home) -> None:
    scan = there.create_scan(preset("demo"))
    view = corpus.look(there, scan.name)
    assert (view.active, view.line, view.rows) == (True, "Starting the scan.", None)


def test_a_finished_scan_shows_figures_and_files(there: Home) -> None:
    scan = scanned(there, "finished", report=True)
    view = corpus.look(there, scan.name)
    assert view.state == "finished"
    assert view.line.startswith("4 files found = 2 kept + 2 dropped")
    assert "Characters per token" in (view.body or "")
    assert ((view.rows or "").count("<tr"), view.matching, view.more) == (4, 4, 0)


def test_the_table_is_shown_page_by_page_and_filtered(there: Home) -> None:
    scan = scanned(there, "finished", report=True)
    view = corpus.look(there, scan.name, most=3)
    assert ((view.rows or "").count("<tr"), view.matching, view.more) == (3, 4, 1)
    assert corpus.look(there, scan.name, "held out").matching == 1


def test_a_failed_scan_says_why_and_what_was_dropped(there: Home) -> None:
    scan = scanned(there, "failed", report=True, message="There is too little code.", hint="Add.")
    view = corpus.look(there, scan.name)
    assert (view.line, view.hint) == ("There is too little code.", "Add.")
    assert "The source holds no code in a language we know." in (view.body or "")
    assert view.matching == 4


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("stopped", "The scan was cancelled."),
        ("running", "The scan ended without notice."),  # its lock is free: lost
        ("failed", "The scan failed."),
    ],
)
def test_an_end_without_a_report_has_a_sentence(there: Home, state: State, sentence: str) -> None:
    assert corpus.look(there, scanned(there, state).name).line == sentence


def test_the_answer_is_plain_json_whatever_is_asked(there: Home) -> None:
    scan = scanned(there, "finished", report=True)
    full = corpus.answer(there, {"scan": scan.name, "query": "", "rows": 2})
    assert (full["matching"], full["more"]) == (4, 2)
    nonsense: object
    for nonsense in (None, [], "x", {"scan": 7, "rows": "many", "query": None}):
        json.dumps(corpus.answer(there, nonsense))


def test_cancel_asks_the_worker_to_stop(there: Home) -> None:
    scan = scanned(there, "running")
    with hold(scan.lock_path):
        corpus.cancel(there, scan.name)
        assert scan.stop_path.exists()
        assert corpus.look(there, scan.name).line.startswith("Starting")
