"""Faults of a training: each in a real worker process, and what its run says afterwards."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.engine import checkpoint
from codetune_ui.engine.patience import WAITING
from codetune_ui.runs.events import Event, read_events
from codetune_ui.runs.store import Home, Run
from tests.faults.harms import ballast, fill
from tests.faults.zygote import Harm, Workers

KILLED = -signal.SIGKILL
MEASURED = {
    "train": ("loss", "grad_norm", "lr", "tokens"),
    "eval": ("val_loss",),
    "scorecard": ("middle_nll_per_char", "exact", "holes"),
}


def make(home: Path, model: Path, source: Path, name: str, **changes: Any) -> Run:
    """A run of 12 steps, with held-out holes and the best adapter kept."""
    settings: dict[str, Any] = {
        "base_model": str(model),
        "source": str(source),
        "max_seq_len": 64,
        "max_steps": 12,
        "global_batch_rows": 2,
        "micro_batch_rows": 2,
        "learning_rate": 1e-2,
        "warmup_steps": 1,
        "lora_rank": 2,
        "lora_dropout": 0.1 if changes.get("engine") == "plain" else 0.0,
        "eval_every": 3,
        "save_every": 2,
        "keep_checkpoints": 2,
        "log_every": 3,  # a save in the midst of what one point of the curve sums up
        "quant": "none",
        "compute_dtype": "float32",
        "gradient_checkpointing": False,
        **changes,
    }
    return Home(home).create_run(Config.from_dict(settings), name)


def events(run: Run, kind: str) -> list[Event]:
    return [event for event in read_events(run.events_path)[0] if event["kind"] == kind]


def curve(run: Run) -> dict[tuple[str, int], tuple[Any, ...]]:
    """What was measured at each step; a step that was repeated must have measured the same."""
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for kind, fields in MEASURED.items():
        for event in events(run, kind):
            values = tuple(event[field] for field in fields)
            assert found.setdefault((kind, event["step"]), values) == values
    return found


def saved(run: Run) -> list[str]:
    return [path.name for path in checkpoint.checkpoints(run)]


def why(run: Run) -> str:
    """What to show when it went otherwise."""
    return f"{run.status()} {run.log_tail()}"


def warnings(run: Run) -> list[str]:
    return [event["message"] for event in events(run, "log") if event["level"] == "warning"]


def left_over(run: Run) -> list[str]:
    """Scratch folders and files that nobody will use."""
    every = [path.relative_to(run.path).as_posix() for path in run.path.rglob(".*")]
    return sorted(every)


@pytest.fixture(scope="module")
def undisturbed(
    zygote: Workers,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    code_folder: Path,
) -> dict[str, Run]:
    """One run per engine that nothing happened to."""
    home = tmp_path_factory.mktemp("undisturbed")
    found = {}
    for engine in ("fused", "plain"):
        run = make(home, tiny_model, code_folder, engine, engine=engine)
        assert zygote.work(run, "train") == 0, why(run)
        found[engine] = run
    return found


def kills(seed: int) -> list[Harm]:
    """Six ends: in steps chosen by lot, and at moments of a save and of the last one."""
    rng = random.Random(seed)
    harms: list[Harm] = [
        ("kill_in_step", rng.randrange(4, 6)),
        ("kill_in_save", 1, 0),
        ("kill_in_save", 2, rng.randrange(1, 10)),
        ("kill_at_rotation", 1),
        ("kill_in_step", 2),
    ]
    rng.shuffle(harms)
    first: Harm = ("kill_in_step", rng.randrange(3, 6))  # there is a checkpoint to go on from
    return [first, *harms, ("kill_at_publishing", rng.randrange(1, 3))]


@pytest.mark.parametrize("engine", ["fused", "plain"])
def test_a_run_killed_again_and_again_is_the_same_run_to_the_bit(
    zygote: Workers,
    undisturbed: dict[str, Run],
    home: Path,
    tiny_model: Path,
    code_folder: Path,
    engine: str,
) -> None:
    whole = undisturbed[engine]
    run = make(home, tiny_model, code_folder, "killed", engine=engine)
    job, reached = "train", 0
    for harm in kills(seed=8):
        assert zygote.work(run, job, harm) == KILLED, (harm, why(run))
        assert run.state() == "lost", harm
        good, _ = checkpoint.newest_good(run)
        assert good is not None, harm
        assert checkpoint.step_of(good) >= reached, harm  # what was saved stays saved
        job, reached = "resume", checkpoint.step_of(good)
    assert zygote.work(run, "resume") == 0, why(run)
    assert run.state() == "finished"
    assert curve(run) == curve(whole)
    assert _adapter(run) == _adapter(whole)
    ours, theirs = run.result(), whole.result()
    assert ours is not None
    assert theirs is not None
    for figure in ("steps", "loss_first", "loss_last", "val_loss_last", "adapter_step"):
        assert ours[figure] == theirs[figure]
    assert saved(run) == ["step_000010", "step_000012"]
    assert left_over(run) == left_over(whole)


def _adapter(run: Run) -> bytes:
    return (run.adapter_dir / checkpoint.WEIGHTS).read_bytes()


def when_it_waits(run: Run, deed: Callable[[], object]) -> threading.Thread:
    """Do something in a thread once a run waits for room on its disk."""

    def look() -> None:
        deadline = time.monotonic() + 120
        while run.status().phase != WAITING and time.monotonic() < deadline:
            time.sleep(0.1)
        deed()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    return thread


def test_a_full_disk_in_the_midst_of_a_save_is_waited_for(
    zygote: Workers,
    undisturbed: dict[str, Run],
    small_disk: Path,
    tiny_model: Path,
    code_folder: Path,
) -> None:
    run = make(small_disk, tiny_model, code_folder, "waits")
    freed = when_it_waits(run, ballast(small_disk).unlink)
    assert zygote.work(run, "train", ("fill_in_save", 2, 20_000, str(small_disk))) == 0, why(run)
    freed.join()
    assert run.state() == "finished"
    assert warnings(run)[0].startswith("The disk is full: saving needs 64 MiB, and 0 are free. Wa")
    assert saved(run)[-1] == "step_000012"
    assert left_over(run) == []
    assert curve(run) == curve(undisturbed["fused"])
    assert _adapter(run) == _adapter(undisturbed["fused"])


def test_who_stops_a_run_that_waits_for_its_disk_keeps_the_last_good_checkpoint(
    zygote: Workers,
    undisturbed: dict[str, Run],
    small_disk: Path,
    tiny_model: Path,
    code_folder: Path,
) -> None:
    run = make(small_disk, tiny_model, code_folder, "full")
    asked = when_it_waits(run, lambda: os.kill(run.status().pid, signal.SIGTERM))
    assert zygote.work(run, "train", ("fill_in_save", 2, 20_000, str(small_disk))) == 2
    asked.join()
    status = run.status()
    assert run.state() == "failed", why(run)
    assert status.message.startswith("The disk is full: saving needs 64 MiB, and 0 are free.")
    assert "resume" in status.hint
    assert saved(run) == ["step_000002"]
    assert left_over(run) == []
    ballast(small_disk).unlink()
    assert zygote.work(run, "resume") == 0, why(run)
    assert curve(run) == curve(undisturbed["fused"])


def test_a_disk_that_is_full_between_two_saves_costs_no_event(
    zygote: Workers,
    undisturbed: dict[str, Run],
    small_disk: Path,
    tiny_model: Path,
    code_folder: Path,
) -> None:
    run = make(small_disk, tiny_model, code_folder, "between", save_every=6, log_every=1)
    harm = ("fill_between_steps", 2, 5, str(small_disk))
    assert zygote.work(run, "train", harm) == 0, why(run)
    assert run.state() == "finished"
    assert [event["step"] for event in events(run, "train")] == list(range(1, 13))
    assert warnings(run) == [
        "The adapter of step 3 was not kept: The disk is full: saving needs 1 MiB, and 0 are free."
    ]
    assert _adapter(run) == _adapter(undisturbed["fused"])


def test_too_little_disk_is_said_before_the_first_step(
    zygote: Workers, small_disk: Path, tiny_model: Path, code_folder: Path
) -> None:
    run = make(small_disk, tiny_model, code_folder, "little")
    fill(small_disk, 40 * 2**20)
    assert zygote.work(run, "train") == 2
    assert run.state() == "failed"
    assert run.status().message.startswith("The disk is full: saving needs 64 MiB, and 3")
    assert run.status().step == 0


def test_a_damaged_checkpoint_is_passed_over_by_the_resume_that_says_so(
    zygote: Workers, home: Path, tiny_model: Path, code_folder: Path
) -> None:
    run = make(home, tiny_model, code_folder, "harmed")
    assert zygote.work(run, "train", ("kill_in_step", 6)) == KILLED
    assert saved(run) == ["step_000002", "step_000004"]
    weights = run.checkpoints_dir / "step_000004" / checkpoint.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    assert zygote.work(run, "resume", ("kill_in_step", 2)) == KILLED
    assert [event["step"] for event in events(run, "resume")] == [2]
    words = "Checkpoint step_000004 was passed over: adapter_model.safetensors is damaged."
    assert warnings(run) == [words]
    for path in checkpoint.checkpoints(run):
        (path / "optimizer.pt").unlink()
    assert zygote.work(run, "resume") == 2
    assert run.state() == "failed"
    assert run.status().message == "'harmed' has no checkpoint to resume from."


def test_a_gradient_that_is_not_a_number_is_left_out_and_the_run_goes_on(
    zygote: Workers, home: Path, tiny_model: Path, code_folder: Path
) -> None:
    run = make(home, tiny_model, code_folder, "one-nan", log_every=1)
    assert zygote.work(run, "train", ("poison_steps", 5, 7)) == 0, why(run)
    warnings = [event["message"] for event in events(run, "log") if event["level"] == "warning"]
    assert [words for words in warnings if "left out" in words] == [
        f"Step {step} was left out: its gradient is not a number." for step in (5, 6, 7)
    ]
    losses = [event["loss"] for event in events(run, "train")]
    assert [step for step, loss in enumerate(losses, 1) if loss is None] == [5, 6, 7]
    assert losses[-1] < losses[0]


def test_gradients_that_stay_no_numbers_end_the_run_before_they_reach_the_weights(
    zygote: Workers, home: Path, tiny_model: Path, code_folder: Path
) -> None:
    run = make(home, tiny_model, code_folder, "nan", log_every=1, keep_checkpoints=9)
    assert zygote.work(run, "train", ("poison_steps", 5, 99)) == 2
    assert run.status().message == (
        "The gradient is not a number at step 8, and was none in the 3 steps before."
    )
    assert "Lower the learning rate" in run.status().hint
    assert saved(run) == ["step_000002", "step_000004", "step_000006"]
    weights = [
        (run.checkpoints_dir / name / checkpoint.WEIGHTS).read_bytes() for name in saved(run)
    ]
    assert weights[0] != weights[1] == weights[2]


def test_weights_without_an_optimizer_are_gone_on_with_only_when_it_is_said(
    zygote: Workers, home: Path, tiny_model: Path, code_folder: Path, undisturbed: dict[str, Run]
) -> None:
    run = make(home, tiny_model, code_folder, "bare")
    assert zygote.work(run, "train", ("kill_in_step", 6)) == -signal.SIGKILL
    for path in checkpoint.checkpoints(run):
        (path / "optimizer.pt").unlink()
    assert zygote.work(run, "resume") == 2
    assert "--weights-only" in run.status().hint
    assert zygote.work(run, "resume-weights") == 0, why(run)
    assert [event["step"] for event in events(run, "resume")] == [4]
    warnings = [event["message"] for event in events(run, "log") if event["level"] == "warning"]
    assert "Going on with the weights of step 4; the optimizer begins anew." in warnings
    rates = [
        {e["step"]: e["lr"] for e in events(one, "train")} for one in (run, undisturbed["fused"])
    ]
    assert rates[0][9] == rates[1][9]
    assert rates[0][12] == rates[1][12]
    assert (run.state(), run.status().step) == ("finished", 12)


@pytest.mark.parametrize(("engine", "step"), [("auto", 6), ("plain", 6), ("auto", 1)])
def test_out_of_memory_goes_on_from_the_last_checkpoint_in_smaller_passes(
    zygote: Workers,
    undisturbed: dict[str, Run],
    home: Path,
    tiny_model: Path,
    code_folder: Path,
    engine: str,
    step: int,
) -> None:
    run = make(home, tiny_model, code_folder, f"oom-{engine}-{step}", engine=engine, lora_dropout=0)
    assert zygote.work(run, "train", ("no_memory_in_steps", step)) == 0, why(run)
    warnings = [event["message"] for event in events(run, "log") if event["level"] == "warning"]
    assert (
        "The memory did not suffice for 2 rows of 64 tokens per pass. Going on from the last "
        "checkpoint with 1 row per pass, all layers computed twice."
    ) in warnings
    assert [event["step"] for event in events(run, "resume")] == [4 if step == 6 else 0]
    rows = [event["micro_batch_rows"] for event in events(run, "pace")]
    assert rows == [2, 1]
    ours, theirs = curve(run), curve(undisturbed["fused"])
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert value == pytest.approx(theirs[key], rel=1e-3), key


def test_where_nothing_is_smaller_the_run_ends_with_advice_and_can_be_resumed(
    zygote: Workers, home: Path, tiny_model: Path, code_folder: Path
) -> None:
    run = make(home, tiny_model, code_folder, "oom")
    assert zygote.work(run, "train", ("no_memory_in_steps", 6, 7)) == 2
    assert run.state() == "failed"
    assert run.status().message == "The memory did not suffice for 1 row of 64 tokens per pass."
    assert run.status().hint
    assert zygote.work(run, "resume") == 0, why(run)


def test_a_gpu_that_is_lost_fails_the_run_in_words_and_it_can_go_on(
    zygote: Workers, undisturbed: dict[str, Run], home: Path, tiny_model: Path, code_folder: Path
) -> None:
    run = make(home, tiny_model, code_folder, "lost-gpu")
    assert zygote.work(run, "train", ("lose_gpu_in_step", 6)) == 2
    assert run.state() == "failed"
    assert run.status().message == (
        "The GPU stopped working after step 5: unspecified launch failure."
    )
    assert "nvidia-smi" in run.status().hint
    assert zygote.work(run, "resume") == 0, why(run)
    assert curve(run) == curve(undisturbed["fused"])


def test_a_signal_finishes_the_step_and_saves_and_a_second_one_ends_at_once(
    zygote: Workers, home: Path, tiny_model: Path, code_folder: Path
) -> None:
    run = make(home, tiny_model, code_folder, "signalled")
    assert zygote.work(run, "train", ("signal_once", 3)) == 0
    assert (run.state(), run.status().step) == ("stopped", 3)
    assert saved(run) == ["step_000002", "step_000003"]
    assert zygote.work(run, "resume", ("signal_twice", 2)) == 128 + signal.SIGTERM
    assert run.state() == "lost"
    assert saved(run) == ["step_000003", "step_000004"]
    assert not os.path.lexists(run.result_path)
