from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import SETTINGS
from codetune_ui.core.errors import RunError, SourceError
from codetune_ui.core.presets import preset
from codetune_ui.runs.lock import hold
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home
from codetune_ui.ui.source_view import (
    describe_source,
    source_kind,
    start_scan,
    with_another,
)


@pytest.fixture
def there(home: Path) -> Home:
    return Home(home)


def values(**changes: object) -> dict[str, Any]:
    return {name: getattr(preset("demo"), name) for name in SETTINGS} | changes


def test_a_folder_that_is_there_needs_no_words(there: Home, code_folder: Path) -> None:
    assert describe_source(there, values(source=str(code_folder)), "") == ""


def test_a_missing_folder_is_told_at_its_field(there: Home) -> None:
    html = describe_source(there, values(source="/no/such/place"), "")
    assert 'class="bad"' in html
    assert "There is no folder or file" in html


def test_nothing_typed_yet_is_no_mistake(there: Home) -> None:
    assert describe_source(there, values(source=""), "") == ""
    assert describe_source(there, values(source="hub:"), "") == ""


def test_the_demo_is_introduced(there: Home) -> None:
    assert "comes with the app" in describe_source(there, values(), "")


def test_settings_changed_since_the_scan_ask_for_another(there: Home, code_folder: Path) -> None:
    scan = there.create_scan(preset("demo", source=str(code_folder)))
    same = values(source=str(code_folder))
    assert describe_source(there, same, scan.name) == ""
    changed = describe_source(there, {**same, "exclude": "*.ts"}, scan.name)
    assert "scan again" in changed


def test_a_second_scan_waits_for_the_first(there: Home) -> None:
    scan = there.create_scan(preset("demo"))
    scan.write_status(Status.begin("scan").replace(state="running"))
    with hold(scan.lock_path), pytest.raises(RunError, match="A scan is running"):
        start_scan(there, preset("demo"))


def test_a_scan_of_nothing_is_refused_before_a_worker_starts(there: Home) -> None:
    with pytest.raises(SourceError):
        start_scan(there, preset("demo", source="/no/such/place"))
    assert there.latest_scan() is None


def test_one_more_source_joins_those_there() -> None:
    assert with_another("/a; /b *2", "git@host:c/d", 0.5) == "/a; /b *2; git@host:c/d *0.5"


def test_several_sources_are_known_by_their_first() -> None:
    assert source_kind("hub:a/b *2; /x") == "hub"
    assert source_kind("/x *nonsense; /y") == "folder"
