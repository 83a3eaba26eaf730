"""Checkpoints that are whole or not there, and the adapter at the end.

checkpoints/.tmp-…/          written here, every file synced
    MANIFEST.json            last: step, hashes of settings and base, size and SHA-256 of each file
checkpoints/step_000200/     the same folder, renamed; it counts only while its manifest verifies
best/step_000200/            the adapter alone, of the best evaluation, sealed in the same way
adapter/                     a plain PEFT adapter, written beside and renamed
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from codetune_ui.core.config import NO_STEP
from codetune_ui.core.errors import CodeTuneError, MachineError, RunError
from codetune_ui.engine import durable
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Run

MANIFEST = "MANIFEST.json"
WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_FILES = (WEIGHTS, ADAPTER_CONFIG)
# Without one of these the Trainer resumes without a word, and differently.
REQUIRED = (
    *ADAPTER_FILES,
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
)


def config_hash(run: Run) -> str:
    """Return the SHA-256 of the settings that a run learns by, in a fixed order.

    Of those that were written at its start: a setting that a newer version adds must not turn the
    checkpoints of older runs away.
    """
    text = json.dumps(_learned_by(read_json(run.config_path)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _learned_by(settings: Any) -> Any:
    """Leave out which cards train, and how many: the same steps come of any of them."""
    if not isinstance(settings, dict):
        return settings
    return {name: value for name, value in settings.items() if name not in NO_STEP}


def scratch_folder(run: Run) -> Path:
    """Make an empty folder beside the checkpoints, to be committed by a rename."""
    return _scratch(run.checkpoints_dir)


def _scratch(parent: Path, name: str = ".tmp-") -> Path:
    path = parent / f"{name}{uuid.uuid4().hex[:8]}"
    path.mkdir(parents=True)
    return path


def scratch_for(run: Run, needed: int) -> AbstractContextManager[Path]:
    """Give a scratch folder to write a checkpoint of `needed` bytes into; gone afterwards.

    Raises `MachineError` where there is no room, before the writing or in the midst of it: then
    nothing half written is left, for it takes the room that the last words need.
    """
    return _writing(run, run.checkpoints_dir, needed)


@contextmanager
def _writing(run: Run, parent: Path, needed: int, name: str = ".tmp-") -> Iterator[Path]:
    check_space(run, needed)
    free = needed
    try:
        scratch = _scratch(parent, name)
        try:
            yield scratch
        finally:
            free = shutil.disk_usage(run.path).free  # before the half-written is removed
            shutil.rmtree(scratch, ignore_errors=True)
    except CodeTuneError:
        raise
    except Exception as error:
        if free < needed:
            raise no_space(needed, free) from error  # each library has its own words for it
        raise


def clear_scratch(run: Run) -> None:
    """Remove what a killed worker left half written."""
    folders = (run.checkpoints_dir, run.best_dir, run.path)
    left = [folder.glob(".tmp-*") for folder in folders]
    for path in [*itertools.chain(*left), *run.path.glob(".adapter-*")]:
        shutil.rmtree(path, ignore_errors=True)


def commit(run: Run, scratch: Path, step: int, **facts: Any) -> Path:
    """Seal a written folder with its manifest, give it its name, and return it.

    facts: more fields of the manifest (loss, versions).
    """
    return _seal(run, scratch, run.checkpoints_dir, step, facts)


def _seal(run: Run, scratch: Path, parent: Path, step: int, facts: Mapping[str, Any]) -> Path:
    manifest = {
        "step": step,
        "config": config_hash(run),
        "settings": read_json(run.config_path),
        **facts,
        "files": {path.name: durable.fingerprint(path) for path in sorted(scratch.iterdir())},
    }
    (scratch / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    durable.sync(scratch / MANIFEST)
    durable.sync_folder(scratch)
    target = parent / f"step_{step:06d}"
    _replace_folder(scratch, target)
    return target


def checkpoints(run: Run) -> list[Path]:
    """Return all checkpoints, the oldest first, good or not."""
    return _steps(run.checkpoints_dir)


def _steps(parent: Path) -> list[Path]:
    found = [path for path in parent.glob("step_*") if re.fullmatch(r"step_\d+", path.name)]
    return sorted(found, key=step_of)


def step_of(checkpoint: Path) -> int:
    """Return the step that a checkpoint's name says.

    >>> step_of(Path("checkpoints/step_000200"))
    200
    """
    return int(checkpoint.name.removeprefix("step_"))


def newest_good(run: Run) -> tuple[Path | None, list[str]]:
    """Return the newest checkpoint that verifies, and why each newer one was passed over."""
    passed_over: list[str] = []
    for path in reversed(checkpoints(run)):
        problem = what_is_wrong(path, run)
        if not problem:
            return path, passed_over
        passed_over.append(f"Checkpoint {path.name} was passed over: {problem}.")
    return None, passed_over


def newest_weights(run: Run) -> Path | None:
    """Return the newest checkpoint whose adapter is whole, whatever befell the rest of it."""
    whole = (
        path
        for path in reversed(checkpoints(run))
        if not what_is_wrong(path, run, ADAPTER_FILES, only=True)
    )
    return next(whole, None)


def what_is_wrong(
    checkpoint: Path, run: Run, required: Sequence[str] = REQUIRED, *, only: bool = False
) -> str:
    """Say why a run cannot go on from a checkpoint; empty when it can.

    only: the required files are looked at, and no others.
    """
    manifest = read_json(checkpoint / MANIFEST)
    if manifest is None:
        return "its manifest is missing"
    files: Mapping[str, Mapping[str, Any]] = manifest.get("files", {})
    missing = [name for name in required if name not in files]
    if missing:
        return f"it has no {missing[0]}"
    for name, about in files.items():
        if only and name not in required:
            continue
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != about["bytes"]:
            return f"{name} is cut short"
        if durable.sha256(path) != about["sha256"]:
            return f"{name} is damaged"
    if not _all_numbers(checkpoint / WEIGHTS):
        return "its weights hold values that are not numbers"
    if manifest.get("config") == config_hash(run):
        return ""
    names = _changed(_learned_by(manifest.get("settings")), _learned_by(read_json(run.config_path)))
    return f"its settings are not the run's{names and f' ({names})'}"


def _changed(before: Any, now: Any) -> str:
    """Return the names of settings that differ; "" where they are not known."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return ""
    names = sorted(name for name in before | now if before.get(name) != now.get(name))
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _all_numbers(weights: Path) -> bool:
    from safetensors.torch import load_file

    return all(bool(torch.isfinite(tensor).all()) for tensor in load_file(weights).values())


def rotate(run: Run, current: Path, keep: int) -> str:
    """Delete all but the last `keep` checkpoints up to the current one.

    Newer ones are leftovers that a resume passed over: the run has another future now. When the
    current one does not verify, nothing is deleted and the reason is returned; else "".
    """
    if problem := what_is_wrong(current, run):
        return problem
    every = checkpoints(run)
    upto = [path for path in every if step_of(path) <= step_of(current)]
    kept = set(upto[-keep:])
    for path in every:
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)
    return ""


# --- the best adapter so far


def keep_best(model: Any, run: Run, step: int, nll: float, *, besides: Path | None) -> Path:
    """Write the adapter of the best evaluation so far in place of the one before it.

    besides: one that stays, because an attempt that is discarded must not take it along.
    """
    with _writing(run, run.best_dir, _adapter_bytes(model)) as scratch:
        save_adapter(model, scratch)
        written = _seal(run, scratch, run.best_dir, step, {"nll": nll})
    for path in _steps(run.best_dir):
        if path not in (written, besides):
            shutil.rmtree(path, ignore_errors=True)
    return written


def kept_best(run: Run) -> tuple[Path, float] | None:
    """Return the best adapter that was kept and verifies, with its nats per character."""
    found = []
    for path in _steps(run.best_dir):
        if not what_is_wrong(path, run, ADAPTER_FILES):
            nll = (read_json(path / MANIFEST) or {}).get("nll")
            if isinstance(nll, float):
                found.append((nll, step_of(path), path))
    return (min(found)[2], min(found)[0]) if found else None


def drop_best(run: Run) -> None:
    """Remove the adapters kept on the way."""
    shutil.rmtree(run.best_dir, ignore_errors=True)


def publish_kept(kept: Path, run: Run) -> Path:
    """Write `adapter/` from an adapter that was kept."""
    with _writing(run, run.path, size_bytes(kept), ".adapter-") as scratch:
        for name in ADAPTER_FILES:
            shutil.copyfile(kept / name, scratch / name)
        return _publish(scratch, run)


def size_bytes(folder: Path) -> int:
    """Return what the files of a checkpoint take on disk."""
    return sum(path.stat().st_size for path in folder.iterdir())


def check_space(run: Run, needed: int) -> None:
    """Raise `MachineError` when the disk cannot take another `needed` bytes."""
    free = shutil.disk_usage(run.path).free
    if free < needed:
        raise no_space(needed, free)


class NoSpaceError(MachineError):
    """The disk cannot take the `needed` bytes of a save."""

    def __init__(self, message: str, hint: str, *, needed: int) -> None:
        self.needed = needed
        super().__init__(message, hint)


def no_space(needed: int, free: int) -> NoSpaceError:
    """Return the error of a disk that has `free` bytes where `needed` are to be written."""
    return NoSpaceError(
        f"The disk is full: saving needs {needed >> 20:,} MiB, and {free >> 20:,} are free.",
        "Free some space, then resume the run: its last checkpoint is whole.",
        needed=needed,
    )


def save_adapter(model: Any, folder: Path) -> None:
    """Write the weights and settings of the adapter as PEFT reads them.

    Raises `RunError` when a weight is not a finite number: such an adapter is never written.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            raise RunError(
                f"The adapter holds values that are not numbers ({name}).",
                "Lower the learning rate and start again.",
            )
    # The embeddings are never trained here; "auto" would ask the network about the base.
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / WEIGHTS).chmod(0o644)  # safetensors writes for the owner alone
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's card is an empty form


def load_adapter(model: Any, checkpoint: Path) -> None:
    """Put the weights of a checkpoint into the adapter that the model has."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    outcome = set_peft_model_state_dict(model, load_file(checkpoint / WEIGHTS))
    if outcome.unexpected_keys:
        raise RunError(
            f"The checkpoint {checkpoint.name} belongs to another model.", "Start a new run."
        )


def publish_adapter(model: Any, run: Run) -> Path:
    """Write `adapter/` whole: beside first, then renamed."""
    with _writing(run, run.path, _adapter_bytes(model), ".adapter-") as scratch:
        save_adapter(model, scratch)
        return _publish(scratch, run)


def _adapter_bytes(model: Any) -> int:
    trained: int = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trained * 4 + 2**20


def _publish(scratch: Path, run: Run) -> Path:
    for path in scratch.iterdir():
        durable.sync(path)
    durable.sync_folder(scratch)
    _replace_folder(scratch, run.adapter_dir)
    return run.adapter_dir


def _replace_folder(scratch: Path, target: Path) -> None:
    old = target.with_name(f".tmp-{uuid.uuid4().hex[:8]}")
    if target.exists():  # a folder is never renamed over a full one
        target.rename(old)
    scratch.rename(target)
    durable.sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)
