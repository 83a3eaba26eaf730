from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from codetune_ui.core.config import NO_STEP
from codetune_ui.core.errors import ConfigError, MachineError, RunError
from codetune_ui.engine import checkpoint
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.store import Home, Run
from tests.engine.helpers import load_tuned, tiny_config


@pytest.fixture
def run(tiny_tokenizer: Path) -> Run:
    return Home.current().create_run(tiny_config(tiny_tokenizer), "some")


def write(run: Run, step: int, weight: float = 1.0) -> Path:
    scratch = checkpoint.scratch_folder(run)
    for name in checkpoint.REQUIRED:
        (scratch / name).write_text(f"{name} of step {step}")
    save_file({"weight": torch.full((2,), weight)}, scratch / checkpoint.WEIGHTS)
    return checkpoint.commit(run, scratch, step, tokens=step * 10)


def test_a_checkpoint_is_good_for_any_number_of_processes_and_any_cards(run: Run) -> None:
    written = write(run, 4)
    run.divide_among(2, "1,3", "yes")
    config = run.config()
    assert (config.processes, config.cards, config.split_base) == (2, "1,3", "yes")
    assert checkpoint.newest_good(run) == (written, [])


def test_a_number_of_processes_that_does_not_divide_the_rows_changes_nothing(run: Run) -> None:
    with pytest.raises(ConfigError, match="4 rows per step cannot be divided among 3 processes"):
        run.divide_among(3)
    assert run.config().processes == 1


def test_a_whole_checkpoint_is_the_newest_good_one(run: Run) -> None:
    write(run, 4)
    written = write(run, 8)
    assert written.name == "step_000008"
    assert checkpoint.newest_good(run) == (written, [])


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ("cut", "optimizer.pt is cut short"),
        ("flip", "optimizer.pt is damaged"),
        ("remove", "optimizer.pt is missing"),
        ("manifest", "its manifest is missing"),
    ],
)
def test_a_harmed_checkpoint_is_passed_over_with_a_reason(run: Run, harm: str, why: str) -> None:
    good, bad = write(run, 4), write(run, 8)
    victim = bad / "optimizer.pt"
    data = victim.read_bytes()
    if harm == "cut":
        victim.write_bytes(data[:-1])
    elif harm == "flip":
        victim.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif harm == "remove":
        victim.unlink()
    else:
        (bad / checkpoint.MANIFEST).unlink()
    found, passed_over = checkpoint.newest_good(run)
    assert found == good
    assert passed_over == [f"Checkpoint step_000008 was passed over: {why}."]


def test_a_run_from_before_a_setting_was_added_goes_on_from_its_checkpoint(run: Run) -> None:
    old = read_json(run.config_path)
    assert old is not None
    for name in ("scorecard_holes", *NO_STEP):
        del old[name]
    replace_json(run.config_path, old)
    assert run.config().scorecard_holes == 48
    written = write(run, 8)
    assert checkpoint.newest_good(run) == (written, [])
    digest = hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()
    assert checkpoint.config_hash(run) == digest


def test_settings_that_changed_since_a_checkpoint_are_named(run: Run) -> None:
    write(run, 8)
    settings = read_json(run.config_path)
    assert settings is not None
    replace_json(run.config_path, settings | {"seed": 99, "lora_rank": 3})
    found, (passed_over,) = checkpoint.newest_good(run)
    assert found is None
    assert passed_over.endswith("its settings are not the run's (lora_rank, seed).")


def test_a_checkpoint_without_an_optimizer_does_not_count(run: Run) -> None:
    scratch = checkpoint.scratch_folder(run)
    (scratch / checkpoint.WEIGHTS).write_text("weights")
    checkpoint.commit(run, scratch, 4)
    found, passed_over = checkpoint.newest_good(run)
    assert found is None
    assert "it has no adapter_config.json" in passed_over[0]


def test_a_half_written_checkpoint_is_not_seen_and_is_cleared(run: Run) -> None:
    scratch = checkpoint.scratch_folder(run)
    (scratch / "optimizer.pt").write_text("half")
    assert checkpoint.checkpoints(run) == []
    checkpoint.clear_scratch(run)
    assert list(run.checkpoints_dir.iterdir()) == []


def test_rotation_keeps_the_last_and_drops_an_abandoned_future(run: Run) -> None:
    for step in (2, 4, 6, 90):
        last = write(run, step)
    checkpoint.rotate(run, run.checkpoints_dir / "step_000006", keep=2)
    assert last.name == "step_000090"
    assert [path.name for path in checkpoint.checkpoints(run)] == ["step_000004", "step_000006"]


def test_weights_that_are_not_numbers_are_passed_over_although_every_hash_is_right(
    run: Run,
) -> None:
    good = write(run, 4)
    write(run, 8, weight=float("nan"))
    words = "its weights hold values that are not numbers"
    assert checkpoint.newest_good(run) == (
        good,
        [f"Checkpoint step_000008 was passed over: {words}."],
    )


def test_nothing_is_deleted_for_a_checkpoint_that_cannot_be_read_back(run: Run) -> None:
    for step in (2, 4, 6):
        last = write(run, step)
    (last / "optimizer.pt").write_text("cut")
    assert checkpoint.rotate(run, last, keep=1) == "optimizer.pt is cut short"
    assert [path.name for path in checkpoint.checkpoints(run)] == [
        "step_000002",
        "step_000004",
        "step_000006",
    ]


def test_what_was_half_written_is_gone_after_an_error(run: Run) -> None:
    def fail(scratch: Path) -> None:
        (scratch / "half").write_text("written")
        raise ValueError("the library has its own words")

    with pytest.raises(ValueError, match="own words"), checkpoint.scratch_for(run, 1) as scratch:
        fail(scratch)
    assert list(run.checkpoints_dir.iterdir()) == []


def test_a_step_written_again_replaces_the_old_one(run: Run) -> None:
    write(run, 4)
    write(run, 4)
    assert [path.name for path in run.checkpoints_dir.iterdir()] == ["step_000004"]


def test_a_full_disk_is_said_before_anything_is_written(run: Run) -> None:
    with pytest.raises(MachineError, match="The disk is full"):
        checkpoint.check_space(run, 2**62)


def test_the_published_adapter_loads_with_plain_peft(tiny_model: Path) -> None:
    from peft import PeftModel

    from codetune_ui.engine.model import load_base, quiet_peft

    config = tiny_config(tiny_model)
    run = Home.current().create_run(config, "published")
    tuned = load_tuned(config)
    folder = checkpoint.publish_adapter(tuned, run)
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert (folder / checkpoint.WEIGHTS).stat().st_mode & 0o044
    base = load_base(config, tiny_model, device="cpu", training=False)
    with quiet_peft():
        again = PeftModel.from_pretrained(base, folder)
    mine = {n: p for n, p in tuned.named_parameters() if "lora_" in n}
    for name, parameter in again.named_parameters():
        if "lora_" in name:
            assert torch.equal(parameter, mine[name])


def test_an_adapter_with_nan_is_never_written(tiny_model: Path, tmp_path: Path) -> None:
    tuned = load_tuned(tiny_config(tiny_model))
    next(p for p in tuned.parameters() if p.requires_grad).data.fill_(float("nan"))
    with pytest.raises(RunError, match="not numbers"):
        checkpoint.save_adapter(tuned, tmp_path)
    assert not (tmp_path / checkpoint.WEIGHTS).exists()
