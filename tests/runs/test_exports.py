from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError, RunError
from codetune_ui.core.export import MANIFEST, Request
from codetune_ui.runs.exports import (
    create,
    exports,
    find_run,
    gate,
    latest_evaluation,
    read_request,
    write_record,
)
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.store import Home, Run

TRAINED = 1_000_000.0


@pytest.fixture
def run(home: Path) -> Run:
    found = Home(home).create_run(Config(base_model="demo", source="demo"), "calm-otter")
    found.adapter_dir.mkdir()
    lora = {"peft_type": "LORA", "base_model_name_or_path": "demo"}
    replace_json(found.adapter_dir / "adapter_config.json", lora)
    weights = found.adapter_dir / "adapter_model.safetensors"
    weights.write_bytes(b"weights")
    os.utime(weights, (TRAINED, TRAINED))
    return found


def judge(run: Run, name: str, verdict: str, created: float) -> None:
    (run.path / "evaluation").mkdir(exist_ok=True)
    figures = {"base": {"exact_match": 0.3}, "adapter": {"exact_match": 0.2}, "holes": 200}
    about = {"verdict": verdict, "created": created, **figures}
    replace_json(run.path / "evaluation" / f"{name}.json", about)


def asked(to: Path | str, **changes: object) -> Request:
    given = {"run": "calm-otter", "format": "adapter", "to": str(to), "accepted": True}
    return Request.from_dict(given | changes)


def test_an_export_works_in_a_folder_of_its_own(run: Run, tmp_path: Path) -> None:
    job = create(run.home, asked(tmp_path / "out"))
    assert job.path.parent == run.home.path / "exports"
    assert (job.home, find_run(job)) == (run.home, run)
    assert read_request(job) == asked(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_a_place_it_goes_into_the_runs_own_folder(run: Run) -> None:
    job = create(run.home, asked("", format="gguf"))
    assert read_request(job).to == str(run.path / "exports" / "gguf-q8_0")


def test_a_place_is_kept_as_a_whole_path(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_request(create(run.home, asked(Path("out")))).to == str(tmp_path / "out")


def test_a_run_without_an_adapter_is_refused(run: Run, tmp_path: Path) -> None:
    (run.adapter_dir / "adapter_model.safetensors").unlink()
    with pytest.raises(RunError, match="'calm-otter' has no adapter yet"):
        create(run.home, asked(tmp_path / "out"))


def test_a_dora_is_refused_unless_it_is_exported_as_it_is(run: Run, tmp_path: Path) -> None:
    dora = {"peft_type": "LORA", "use_dora": True}
    replace_json(run.adapter_dir / "adapter_config.json", dora)
    with pytest.raises(ModelError, match="This adapter is a DoRA"):
        create(run.home, asked(tmp_path / "out", format="merged"))
    create(run.home, asked(tmp_path / "out"))


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_a_place_that_is_not_ours_is_never_overwritten(run: Run, tmp_path: Path, what: str) -> None:
    place = tmp_path / "out"
    if what == "file":
        place.write_text("mine", encoding="utf-8")
    elif what == "folder":
        place.mkdir()
        (place / "thesis.txt").write_text("mine", encoding="utf-8")
    else:
        (tmp_path / "elsewhere").mkdir()
        replace_json(tmp_path / "elsewhere" / MANIFEST, {})
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="exists and is no export of this app"):
        create(run.home, asked(place, overwrite=True))


def test_an_export_of_ours_is_overwritten_only_when_asked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    replace_json(tmp_path / "out" / MANIFEST, {"run": "calm-otter"})
    with pytest.raises(RunError, match="Add --overwrite to replace it"):
        create(run.home, asked(tmp_path / "out"))
    create(run.home, asked(tmp_path / "out", overwrite=True))


def test_an_empty_folder_is_as_good_as_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    create(run.home, asked(tmp_path / "out"))


# --- the question before it


def test_a_run_that_was_never_evaluated_is_asked_about_once(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has not been evaluated.* or export it all .* --yes"):
        create(run.home, asked(tmp_path / "out", accepted=False))
    assert not (run.home.path / "exports").exists()
    create(run.home, asked(tmp_path / "out"))


def test_the_latest_evaluation_decides(run: Run, tmp_path: Path) -> None:
    judge(run, "b", "worse", TRAINED + 60)
    judge(run, "a", "better", TRAINED + 120)
    (run.path / "evaluation" / "broken.json").write_text("{", encoding="utf-8")
    latest = latest_evaluation(run)
    assert latest is not None
    assert latest["verdict"] == "better"
    assert gate(run) == ""
    create(run.home, asked(tmp_path / "out", accepted=False))


def test_a_worse_adapter_is_asked_about_with_figures(run: Run) -> None:
    judge(run, "a", "worse", TRAINED + 60)
    assert gate(run) == (
        "The adapter of 'calm-otter' is worse than its base: "
        "exact match 0.200 against 0.300, on 200 holes."
    )


def test_an_evaluation_from_before_the_last_training_does_not_count(run: Run) -> None:
    judge(run, "a", "better", TRAINED - 60)
    assert gate(run) == "The latest evaluation of 'calm-otter' is older than its adapter."


# --- what came of it


def test_a_run_knows_its_exports_and_whether_they_are_still_there(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        job = create(run.home, asked(tmp_path / name))
        write_record(job, {"run": "calm-otter", "format": "adapter"})
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / MANIFEST).write_text(json.dumps({"run": "calm-otter"}), encoding="utf-8")
    known = {Path(one["to"]).name: one["there"] for one in exports(run)}
    assert known == {"one": False, "two": True}
