from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from codetune_ui.core.errors import RunError
from codetune_ui.engine import checkpoint
from codetune_ui.engine.report import Reporter
from codetune_ui.engine.resume import resume_point
from codetune_ui.runs.store import Home, Run
from tests.engine.helpers import tiny_config


def going_on(run: Run, base: Path, job: str = "resume") -> Path | None:
    reporter = Reporter(run, job)
    try:
        return resume_point(run, reporter, base)
    finally:
        reporter.close()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    save_file({"weight": torch.zeros(100_000)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture
def run(base: Path) -> Run:
    run = Home.current().create_run(tiny_config(base), "some")
    going_on(run, base, "train")
    scratch = checkpoint.scratch_folder(run)
    for name in checkpoint.REQUIRED:
        (scratch / name).write_text(name)
    save_file({"weight": torch.ones(2)}, scratch / checkpoint.WEIGHTS)
    checkpoint.commit(run, scratch, 4)
    return run


def test_the_same_base_goes_on(run: Run, base: Path) -> None:
    assert going_on(run, base) == run.checkpoints_dir / "step_000004"


def test_a_base_that_was_exchanged_is_refused_by_name(run: Run, base: Path) -> None:
    save_file({"weight": torch.ones(100_000)}, base / "model.safetensors")
    with pytest.raises(RunError) as caught:
        going_on(run, base)
    assert caught.value.message == (
        "The base model has changed since this run began: model.safetensors."
    )


def test_a_run_begun_anew_takes_the_base_that_is_there(run: Run, base: Path) -> None:
    (base / "config.json").write_text('{"hidden_size": 8}', encoding="utf-8")
    (run.checkpoints_dir / "step_000004" / checkpoint.MANIFEST).unlink()
    assert going_on(run, base, "train") is None


def test_a_run_of_an_older_version_goes_on(run: Run, base: Path) -> None:
    (run.path / "base.json").unlink()
    assert going_on(run, base) is not None


def test_without_a_good_checkpoint_a_resume_is_refused(run: Run, base: Path) -> None:
    (run.checkpoints_dir / "step_000004" / "scheduler.pt").unlink()
    with pytest.raises(RunError, match="'some' has no checkpoint to resume from"):
        going_on(run, base)
