"""Where a run goes on: its newest good checkpoint, and whether the base is still the same.

A checkpoint whose optimizer is damaged is never taken for a good one: the losses would silently
differ. Its weights may be whole all the same, and be gone on with when a person says so.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from codetune_ui.core.errors import RunError
from codetune_ui.engine import checkpoint
from codetune_ui.engine.report import Reporter
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.process import WEIGHTS_ONLY
from codetune_ui.runs.store import Run

BASE = "base.json"
PLACES = 16  # of a file of weights that are looked at: all of it would take as long as to load it
PIECE = 64 * 1024


def resume_point(run: Run, reporter: Reporter, base: Path) -> Path | None:
    """Return the checkpoint to go on from, and say which newer ones are no good.

    Raises `RunError` when a resume was asked for and there is none, or when the base model in the
    folder `base` is not the one that the checkpoint was trained on.
    """
    job = reporter.status.job
    if job == WEIGHTS_ONLY:
        found = checkpoint.newest_weights(run)
    else:
        found, passed_over = checkpoint.newest_good(run)
        for sentence in passed_over:
            reporter.log(sentence, "warning")
    if job.startswith("resume") and found is None:
        raise RunError(f"'{run.name}' has no checkpoint to resume from.", _way_out(run, job))
    _check_base(run, base, going_on=found is not None)
    if job == WEIGHTS_ONLY and found is not None:
        step = f"step {checkpoint.step_of(found):,}"
        reporter.log(f"Going on with the weights of {step}; the optimizer begins anew.", "warning")
        return weights_alone(run, found)
    return found


def _way_out(run: Run, job: str) -> str:
    if job == WEIGHTS_ONLY or checkpoint.newest_weights(run) is None:
        return "Start a new run."
    return (
        f"Weights of it are whole: 'python app.py resume {run.name} --weights-only' goes on with "
        "them, the optimizer beginning anew; or start a new run."
    )


def weights_alone(run: Run, good: Path) -> Path:
    """Write a checkpoint with nothing but weights and step; the next start of a worker clears it.

    The Trainer takes what is missing as not yet begun; `RowTrainer` puts its learning rate right.
    """
    from transformers import TrainerControl, TrainerState

    config = run.config()
    bare = checkpoint.scratch_folder(run) / good.name
    bare.mkdir()
    for name in checkpoint.ADAPTER_FILES:
        shutil.copyfile(good / name, bare / name)
    state = TrainerState(
        global_step=checkpoint.step_of(good),
        train_batch_size=config.global_batch_rows,
        max_steps=config.max_steps,
        logging_steps=config.log_every,
        eval_steps=config.eval_every,
        save_steps=config.save_every,
        stateful_callbacks={"TrainerControl": TrainerControl().state()},
    )
    state.save_to_json(str(bare / "trainer_state.json"))
    return bare


def _check_base(run: Run, base: Path, *, going_on: bool) -> None:
    path, mark = run.path / BASE, mark_of(base)
    before = read_json(path)
    if going_on and before is not None and before != mark:
        changed = sorted(name for name in before | mark if before.get(name) != mark.get(name))
        raise RunError(
            f"The base model has changed since this run began: {', '.join(changed[:3])}.",
            "Put the model back as it was, or start a new run.",
        )
    if before != mark:
        replace_json(path, mark)


def mark_of(base: Path) -> dict[str, str]:
    """Return a hash of each file that decides what the base computes; of weights, of a sample."""
    names = sorted(path.name for path in base.glob("*.safetensors"))
    names += [name for name in ("config.json", "tokenizer.json") if (base / name).is_file()]
    return {name: _hash(base / name) for name in names}


def _hash(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for place in range(PLACES):
            file.seek(place * max(0, size - PIECE) // (PLACES - 1))
            digest.update(file.read(PIECE))
    return digest.hexdigest()
