"""One side of the table, in a process of its own: `__main__` starts it and reads its last line."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.bench.shapes import SHAPES


def parse_variant(text: str) -> dict[str, str]:
    """Read what follows a side's name.

    >>> parse_variant("rows=8,keep=ALL")
    {'rows': '8', 'keep': 'ALL'}
    """
    return dict(pair.split("=", 1) for pair in text.split(",") if pair)


def main() -> None:
    """Measure one side; the last line of stdout is its figures, or why there are none."""
    asked = arguments().parse_args()
    try:
        found = run(asked)
    except Exception as error:  # noqa: BLE001 - a peer may fail in any way, and is then one line
        traceback.print_exc()
        found = {"failed": reason(error)}
    print(json.dumps(found), flush=True)
    sys.stdout.flush()


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side")
    parser.add_argument("--variant", type=parse_variant, default={})
    parser.add_argument("--shape", choices=sorted(SHAPES), required=True)
    parser.add_argument("--borders", action="store_true")
    parser.add_argument("--model", type=Path, help="a folder, where the side loads from one")
    parser.add_argument("--rows-file", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--passes", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--warm-up", type=int, required=True)
    return parser


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Make the side ready and measure it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if asked.side == "unsloth":
            _import_unsloth(folder)
        from tests.bench.train.measure import card, measure

        task = task_of(asked)
        side = side_of(asked, task)
        return measure(side, task, asked.warm_up).to_dict() | {"card": card(task.device)}


def _import_unsloth(folder: str) -> None:
    # First of all: it patches what is imported after it.
    os.environ["UNSLOTH_DISABLE_STATISTICS"] = "1"  # it would ask the network
    os.environ["UNSLOTH_COMPILE_LOCATION"] = f"{folder}/compiled"  # else beside the code
    import_module("unsloth")


def task_of(asked: argparse.Namespace) -> Any:
    import numpy as np
    import torch

    from tests.bench.train.code_rows import read_steps
    from tests.bench.train.measure import Task

    device = "cuda" if torch.cuda.is_available() else "cpu"
    steps = read_steps(asked.rows_file, asked.rows, asked.passes)
    return Task(
        shape=asked.shape,
        max_seq_len=np.load(asked.rows_file, mmap_mode="r").shape[1],
        steps=list(itertools.islice(steps, asked.warm_up + asked.steps)),
        device=device,
        dtype=torch.bfloat16 if device == "cuda" else torch.float32,
    )


def side_of(asked: argparse.Namespace, task: Any) -> Any:
    """Build the model of a side; a keep of STREAM is what the others call checkpointing."""
    from tests.bench.train import ours, peers

    keep = asked.variant.get("keep", "STREAM")
    checkpointing = keep != "ALL"
    if asked.side == "ours":
        return ours.ours(task, keep)
    if asked.side == "plain":
        return ours.plain(task, checkpointing=checkpointing)
    if asked.side == "guide":
        return peers.guide(task, borders=asked.borders)
    if asked.side == "liger":
        return peers.liger(task, checkpointing=checkpointing, borders=asked.borders)
    return peers.unsloth(task, asked.model, checkpointing=checkpointing)


def reason(error: Exception) -> str:
    """Return one short sentence.

    >>> reason(ValueError("no such layer"))
    'failed: ValueError: no such layer'
    """
    if type(error).__name__ == "OutOfMemoryError":
        return "out of memory"
    first = (str(error).strip().splitlines() or [""])[0]
    return f"failed: {type(error).__name__}: {first}"[:160]


if __name__ == "__main__":
    main()
