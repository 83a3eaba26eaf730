from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import SourceError
from codetune_ui.engine.report import Reporter, StopRequested, StopWish
from codetune_ui.engine.scan import scan
from codetune_ui.runs.events import read_events
from codetune_ui.runs.store import Home, Run
from tests.tiny import build_tokenizer


def make(model: Path, source: Path) -> Run:
    (model / "config.json").write_text("{}")
    config = Config.from_dict({"base_model": str(model), "source": str(source)})
    return Home.current().create_scan(config)


def scan_here(run: Run) -> dict[str, Any]:
    reporter = Reporter(run, "scan")
    reporter.open()
    try:
        scan(run, reporter, StopWish(run))
    finally:
        reporter.close()
    report: dict[str, Any] = json.loads((run.path / "report.json").read_text())
    return report


def test_counts_add_up_and_the_family_is_named(tmp_path: Path, code_folder: Path) -> None:
    model = build_tokenizer(tmp_path / "model")
    (model / "fim.json").write_text('{"family": "starcoder"}')
    run = make(model, code_folder)
    report = scan_here(run)
    assert (report["found"], report["kept"], report["dropped"]) == (24, 24, {})
    assert report["train"] + report["held_out"] == 24
    assert report["train_tokens"] + report["held_out_tokens"] == report["tokens"] > 0
    assert report["family"] == "starcoder"
    assert report["evidence"].startswith("StarCoder: <fim_prefix> 1")
    lines = (run.path / "documents.jsonl").read_text().splitlines()
    assert len(lines) == 24
    assert sorted(json.loads(lines[0])) == ["group", "language", "path", "split", "text"]
    last = [event for event in read_events(run.events_path)[0] if event["kind"] == "scan"][-1]
    assert (last["found"], last["kept"], last["dropped"]) == (24, 24, 0)


def test_a_tokenizer_without_fim_tokens_is_counted_and_said(
    tmp_path: Path, code_folder: Path
) -> None:
    model = build_tokenizer(tmp_path / "model", special_tokens=["<|endoftext|>"])
    report = scan_here(make(model, code_folder))
    assert report["family"] is None
    assert "no FIM tokens" in report["evidence"]
    assert report["kept"] == 24


def test_too_little_code_is_refused_after_its_files_are_listed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "notes.xyz").write_text("no code")
    run = make(build_tokenizer(tmp_path / "model"), source)
    with pytest.raises(SourceError, match="There is no code"):
        scan_here(run)
    report = json.loads((run.path / "report.json").read_text())
    assert report["dropped"] == {"not code": 1}


def test_a_wish_to_stop_cancels_the_scan(tmp_path: Path, code_folder: Path) -> None:
    run = make(build_tokenizer(tmp_path / "model"), code_folder)
    run.stop_path.write_text("save")
    with pytest.raises(StopRequested):
        scan_here(run)
