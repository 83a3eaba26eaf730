from __future__ import annotations

import json
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.presets import preset
from codetune_ui.runs.cards import Card, Program
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.lease import acquire
from codetune_ui.runs.lock import hold
from codetune_ui.runs.state import State, Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.outlook import base_shape, outlook
from codetune_ui.ui.plan_view import render, wrong
from tests.tiny import QWEN_32B

REPORT = {"train": 19, "held_out": 5, "train_tokens": 16_384, "evidence": "StarCoder's tokens"}


@pytest.fixture
def there(home: Path) -> Home:
    return Home(home)


def scanned(home: Home, config: Config, state: State = "finished") -> Run:
    scan = home.create_scan(config)
    scan.write_status(Status.begin("scan").replace(state=state))
    if state == "finished":
        replace_json(scan.path / "report.json", REPORT)
    return scan


def test_start_says_that_code_must_be_scanned(there: Home) -> None:
    found = outlook(there, preset("demo"), "")
    assert (found.label, found.ready) == ("Scan code first", False)
    assert "No code scanned yet" in render(found)


def test_a_scan_under_way_is_waited_for(there: Home) -> None:
    scan = scanned(there, preset("demo"), "running")
    with hold(scan.lock_path):
        assert outlook(there, preset("demo"), scan.name).label == "Scanning…"


def test_a_lost_scan_does_not_count(there: Home) -> None:
    scan = scanned(there, preset("demo"), "running")
    assert outlook(there, preset("demo"), scan.name).label == "Scan code first"


def test_with_a_scan_it_can_start(there: Home) -> None:
    scan = scanned(there, preset("demo"))
    found = outlook(there, preset("demo"), scan.name)
    assert (found.label, found.ready) == ("Start training", True)
    assert found.plan.epochs == 160 * 512 / 16_384
    html = render(found)
    assert "demo code: 19 files to train on, 5 held out." in html
    assert "StarCoder&#x27;s tokens" in html


def test_other_data_settings_want_another_scan(there: Home) -> None:
    scan = scanned(there, preset("demo"))
    assert not outlook(there, preset("demo", exclude="*.md"), scan.name).ready
    assert not outlook(there, preset("demo", source="/elsewhere"), scan.name).ready
    assert outlook(there, preset("demo", max_steps=9), scan.name).ready


def test_a_folder_is_the_same_however_it_is_written(
    there: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path)
    scan = scanned(there, preset("demo", source="src"))
    assert outlook(there, preset("demo", source=str(tmp_path / "src")), scan.name).ready
    assert outlook(there, preset("demo", source="src"), scan.name).ready


def test_while_another_trains_the_run_is_put_in_line_and_told_behind_whom(there: Home) -> None:
    scan = scanned(there, preset("demo"))
    with acquire(there, "amber-otter", "training"):
        found = outlook(there, preset("demo"), scan.name)
    assert found.ready
    assert found.label == "Put in the queue"
    assert "this one waits its turn" in render(found)
    assert "amber-otter" in render(found)


def test_a_program_that_is_not_of_this_app_is_named_by_its_pid(
    there: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card("H200", 12.0, 140.0, (Program(4242, "blender", 9.5), Program(7, "x", 2.0)))
    monkeypatch.setattr("codetune_ui.ui.outlook.WATCH.cards", lambda: (card,))
    found = outlook(there, preset("demo"), scanned(there, preset("demo")).name)
    assert (
        "H200: blender (pid 4242) holds 9.5 GiB, 1 more some of it. It is not this app&#x27;s."
        in render(found)
    )


def test_a_run_is_planned_for_the_card_of_its_own_with_the_least_free(
    there: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {0: 20.0, 1: 8.0, 2: 1.0}
    cards = tuple(Card("L40", 24.0 - gib, 24.0, number=n) for n, gib in free.items())
    monkeypatch.setattr("codetune_ui.ui.outlook.WATCH.cards", lambda: cards)
    config = preset("demo", cards="0,1", processes=2, global_batch_rows=2)
    found = outlook(there, config, scanned(there, config).name)
    assert found.there_gib == 8.0
    assert "of 8.0 GiB free (L40, cards 0 and 1)." in render(found)
    assert "L40, cards 0 and 1 are free." in render(found)


def test_a_base_that_fits_no_card_alone_is_planned_for_both(
    there: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = tuple(Card("L40", 2.0, 24.0, number=n) for n in (0, 1))
    monkeypatch.setattr("codetune_ui.ui.outlook.WATCH.cards", lambda: cards)
    (tmp_path / "config.json").write_text(json.dumps(QWEN_32B), encoding="utf-8")
    config = preset("recommended", base_model=str(tmp_path), cards="0,1", processes=2)
    found = outlook(there, config, "")
    assert found.plan.base_parts == 2
    assert "base split over 2 cards" in render(found)
    whole = outlook(there, config.replace(split_base="no"), "")
    assert whole.plan.base_parts == 1
    assert whole.plan.memory is not None
    assert found.plan.memory is not None
    assert found.plan.memory.weights_gib < whole.plan.memory.weights_gib - 6


def test_what_this_app_holds_of_a_card_is_not_missed(
    there: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card("H200", 120.0, 140.0)
    monkeypatch.setattr("codetune_ui.ui.outlook.WATCH.cards", lambda: (card,))
    with acquire(there, "amber-otter", "training"):
        assert outlook(there, preset("demo"), "").there_gib == 140.0
    assert outlook(there, preset("demo"), "").there_gib == 20.0


def test_the_speed_of_an_earlier_run_gives_the_time(there: Home) -> None:
    run = there.create_run(preset("demo"))
    replace_json(run.result_path, {"tokens_per_second": 1024.0})
    assert outlook(there, preset("demo"), "").plan.seconds == 160 * 512 / 1024


def test_a_known_model_has_a_shape_without_the_network() -> None:
    shape = base_shape(Config(base_model="Qwen/Qwen2.5-Coder-1.5B"))
    assert shape is not None
    assert shape.layers == 28
    assert base_shape(Config(base_model="no/such-model")) is None


def test_a_wrong_setting_is_named_for_the_script() -> None:
    html = wrong(ConfigError("LoRA rank is 0 < 1.", "Try 16.", field="lora_rank"))
    assert 'data-field="lora_rank"' in html
    assert "LoRA rank is 0 &lt; 1. Try 16." in html
