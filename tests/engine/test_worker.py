"""Three stories with a real worker process: a whole run, a stop and a resume, a sudden death."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.engine import worker
from codetune_ui.runs import process
from codetune_ui.runs.events import Event, read_events
from codetune_ui.runs.store import Home, Run

PATIENCE_S = 240.0  # ten seconds of imports become minutes on a machine that is busy


def make(model: Path, source: Path, name: str, **changes: Any) -> Run:
    settings = {
        "base_model": str(model),
        "source": str(source),
        "max_seq_len": 128,
        "max_steps": 6,
        "global_batch_rows": 2,
        "micro_batch_rows": 2,
        "learning_rate": 1e-2,
        "warmup_steps": 1,
        "lora_rank": 4,
        "eval_every": 3,
        "save_every": 3,
        "log_every": 1,
        **changes,
    }
    return Home.current().create_run(Config.from_dict(settings), name)


def wait(run: Run, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline, run.log_tail()
        time.sleep(0.05)


def seen(run: Run, kind: str) -> list[Event]:
    return [event for event in read_events(run.events_path)[0] if event["kind"] == kind]


def test_a_run_goes_from_start_to_a_finished_adapter(tiny_model: Path, code_folder: Path) -> None:
    run = make(tiny_model, code_folder, "whole")
    process.start_worker(run, "train")
    wait(run, lambda: not run.alive())
    assert run.state() == "finished", run.log_tail()
    result = run.result()
    assert result is not None
    assert sorted(result) == [
        "adapter",
        "adapter_step",
        "adapter_why",
        "estimated_memory_gib",
        "loss_first",
        "loss_last",
        "peak_memory_gib",
        "run",
        "seconds",
        "spent",
        "state",
        "steps",
        "tokens_per_second",
        "val_loss_first",
        "val_loss_last",
    ]
    assert (result["run"], result["state"], result["steps"]) == ("whole", "finished", 6)
    assert sorted(result["spent"]) == ["checkpoints", "data", "evaluations", "start", "steps"]
    assert result["val_loss_last"] < result["val_loss_first"]
    assert (run.adapter_dir / "adapter_model.safetensors").is_file()
    cards = {event["step"]: event["middle_nll_per_char"] for event in seen(run, "scorecard")}
    assert sorted(cards) == [0, 3, 6]
    assert result["adapter_step"] == min((3, 6), key=cards.__getitem__)
    assert result["adapter_why"] in [event["message"] for event in seen(run, "log")]
    assert not run.best_dir.exists()
    assert [event["phase"] for event in seen(run, "phase")] == [
        "Looking for the base model",
        "Reading the code",
        "Cutting samples",
        "Loading the base model",
        "Training",
        "Saving the adapter",
    ]
    assert [event["state"] for event in seen(run, "state")] == ["preparing", "running", "finished"]
    plan = seen(run, "plan")[0]
    assert (plan["total_steps"], plan["tokens_per_step"], plan["quant"]) == (6, 256, "nf4")
    assert (plan["family"], plan["resumed_from"]) == ("starcoder", None)


def test_a_run_that_learns_nothing_ends_early_and_says_so(
    tiny_model: Path, code_folder: Path
) -> None:
    run = make(tiny_model, code_folder, "idle", max_steps=40, learning_rate=0.0, early_stop=2)
    process.start_worker(run, "train")
    wait(run, lambda: not run.alive())
    result, words = (
        run.result(),
        (
            "Stopped early at step 9 of 40: the 2 evaluations since step 3 found held-out code no "
            "likelier."
        ),
    )
    assert (run.state(), run.status().message) == ("finished", words), run.log_tail()
    assert result is not None
    assert (result["state"], result["steps"], result["adapter_step"]) == ("finished", 9, 3)
    assert words in [event["message"] for event in seen(run, "log")]


def test_a_stopped_run_is_resumed_to_its_end_and_a_killed_one_is_lost(
    tiny_model: Path, code_folder: Path
) -> None:
    run = make(tiny_model, code_folder, "parted", max_steps=4000, log_every=5)
    process.start_worker(run, "train")
    wait(run, lambda: run.status().step >= 2)
    process.request_stop(run)
    wait(run, lambda: not run.alive())
    assert run.state() == "stopped", run.log_tail()
    stopped_at = run.status().step
    assert seen(run, "checkpoint")[-1]["step"] == stopped_at
    assert (run.adapter_dir / "adapter_config.json").is_file()
    process.start_worker(run, "resume")
    wait(run, lambda: run.status().step >= stopped_at + 2)
    assert seen(run, "resume")[0]["step"] == stopped_at
    process.kill_worker(run)
    wait(run, lambda: not run.alive())
    assert run.state() == "lost"


def test_a_wrong_source_fails_with_a_way_out_before_torch_is_loaded(
    tiny_model: Path, tmp_path: Path
) -> None:
    run = make(tiny_model, tmp_path / "nowhere", "wrong")
    process.start_worker(run, "train")
    wait(run, lambda: not run.alive())
    status = run.status()
    assert (run.state(), status.message) == (
        "failed",
        f"There is no folder or file '{tmp_path / 'nowhere'}'.",
    )
    assert status.hint
    assert "Cutting samples" not in [event["phase"] for event in seen(run, "phase")]


def test_a_scan_is_a_job_too(tiny_model: Path, code_folder: Path) -> None:
    config = Config.from_dict({"base_model": str(tiny_model), "source": str(code_folder)})
    run = Home.current().create_scan(config)
    process.start_worker(run, "scan")
    wait(run, lambda: not run.alive())
    assert run.state() == "finished", run.log_tail()
    assert (run.path / "report.json").is_file()


def test_a_job_that_is_none_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert worker.main(["dance", "/tmp"]) == 2
    assert "usage" in capfd.readouterr().err
