"""Where a run goes on: its newest good checkpoint, and whether the base is still the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from codetune_ui.core.errors import RunError
from codetune_ui.engine import checkpoint
from codetune_ui.engine.report import Reporter
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.store import Run

BASE = "base.json"
PLACES = 16  # of a file of weights that are looked at: all of it would take as long as to load it
PIECE = 64 * 1024


def resume_point(run: Run, reporter: Reporter, base: Path) -> Path | None:
    """Return the checkpoint to go on from, and say which newer ones are no good.

    Raises `RunError` when a resume was asked for and there is none, or when the base model in the
    folder `base` is not the one that the checkpoint was trained on.
    """
    found, passed_over = checkpoint.newest_good(run)
    for sentence in passed_over:
        reporter.log(sentence, "warning")
    if reporter.status.job == "resume" and found is None:
        raise RunError(f"'{run.name}' has no checkpoint to resume from.", "Start a new run.")
    _check_base(run, base, going_on=found is not None)
    return found


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
