from __future__ import annotations

import json
import random
import shutil
import string
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core import pipeline
from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import SourceError
from codetune_ui.core.pipeline import Item
from codetune_ui.core.redact import apply_policy
from codetune_ui.engine import scan as scan_module
from codetune_ui.engine.report import Reporter, StopRequested, StopWish
from codetune_ui.engine.scan import scan
from codetune_ui.engine.scan_cache import SETTLED_S
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


def test_a_wish_to_stop_is_heard_while_both_sides_are_compared(
    tmp_path: Path, code_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(build_tokenizer(tmp_path / "model"), code_folder)

    def wish(train: Iterable[Document], _: Iterable[Document]) -> None:
        run.stop_path.write_text("save")
        list(train)

    monkeypatch.setattr(scan_module, "leak", wish)
    with pytest.raises(StopRequested):
        scan_here(run)
    assert not (run.path / "report.json").exists()
    assert not [path for path in run.path.iterdir() if path.name.startswith(".texts-")]


def test_the_first_hundred_files_are_on_disk_before_secrets_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(150):
        (source / f"{number:03}.py").write_text(f"value_{number} = compute_{number}()\n" * 9)
    run = make(build_tokenizer(tmp_path / "model"), source)
    seen: list[int] = []

    def look(documents: Sequence[Document], policy: str) -> list[Item]:
        seen.append((run.path / "files.jsonl").read_text().count("\n"))
        return apply_policy(documents, policy)

    monkeypatch.setattr(pipeline, "apply_policy", look)
    scan_here(run)
    assert seen[0] == 100


def test_a_scan_begins_without_numpy_and_tokenizers() -> None:
    code = (
        "import sys, codetune_ui.engine.worker, codetune_ui.engine.scan\n"
        "print(sorted({'numpy', 'tokenizers', 'pyarrow', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_an_unchanged_source_is_not_read_again(
    tmp_path: Path, code_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_tokenizer(tmp_path / "model")
    first = make(model, code_folder)
    before = scan_here(first)
    monkeypatch.setattr(scan_module, "read_documents", lambda *_, **__: pytest.fail("read again"))
    again = make(model, code_folder)
    after = scan_here(again)
    assert (before.pop("from_cache"), after.pop("from_cache")) == (False, True)
    assert before == after
    for name in ("files.jsonl", "documents.jsonl"):
        assert (again.path / name).read_bytes() == (first.path / name).read_bytes()


def test_the_report_has_what_the_command_line_promises(tmp_path: Path, code_folder: Path) -> None:
    report = scan_here(make(build_tokenizer(tmp_path / "model"), code_folder))
    promised = "found kept dropped files languages characters tokens chars_per_token train held_out"
    assert report.keys() >= {*promised.split(), "secrets", "secrets_redacted", "leak", "steps"}
    assert report["by_language"]["Python"]["files"] == 24
    assert sum(bar["files"] for bar in report["lengths"]) == 24
    assert 0 <= report["leak"]["share"] <= 1


def test_a_secret_is_in_no_file_of_the_scan_or_the_cache(
    tmp_path: Path, code_folder: Path, home: Path
) -> None:
    letters = string.ascii_letters + string.digits
    secret = "gh" + "p_" + "".join(random.Random(7).choices(letters, k=36))
    source = tmp_path / "source"
    shutil.copytree(code_folder, source)
    (source / "key.py").write_text(f'import os\n\nTOKEN = "{secret}"\nprint(os.name, TOKEN)\n')
    time.sleep(2 * SETTLED_S)  # else it is too fresh to be cached
    report = scan_here(make(build_tokenizer(tmp_path / "model"), source))
    [finding] = report["secrets"]
    assert (finding["path"], finding["line"]) == ("key.py", 3)
    assert report["secrets_redacted"] == 1
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any("cache" in path.parts for path in files)
    assert not [path for path in files if secret.encode() in path.read_bytes()]
