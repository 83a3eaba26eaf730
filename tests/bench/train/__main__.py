"""Train published shapes with random weights, our way and the peers' ways, and print one table.

python -m tests.bench.train --shape starcoderbase-1b --data FOLDER_OF_CODE

Sides, each in a process of its own, in turn, on the same packed rows of real code:

guide    the guide's recipe: NF4, weights copied to fp32, checkpointing, plain cross-entropy
liger    the Trainer's use_liger_kernel, with checkpointing and without
unsloth  Unsloth, where it is installed, with its checkpointing and without
plain    our plain path, with checkpointing
ours     our fused path; --ours names variants: rows per pass, and what a block keeps
         (ALL, LEAN, STREAM)
app      the whole app by `app.py train`, which cuts its own rows from the same code

All: NF4 with double quantisation, LoRA of rank 8 on all linear layers without dropout, AdamW.
Guide, Liger and Unsloth let the examples of a row see each other, which is their fastest
attention; plain, ours and app keep them apart, and with --borders so do the guide and Liger.
Tokens are code, without padding. Loss and gradient norm are those of the first step, before any
update: with the same borders and dropouts they agree to three digits, or a side computes something
else. The guide leaves the model's own dropouts as published; the others set them to 0.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import DEMO_MODEL, PROJECT_ROOT
from tests.bench.shapes import SHAPES
from tests.bench.train.app import Steps, run_app
from tests.bench.train.code_rows import write_rows
from tests.bench.train.side import parse_variant

SIDES = ("guide", "liger", "unsloth", "plain", "ours")
OURS = ("rows=16,keep=ALL", "rows=16,keep=STREAM")
BOTH = ("keep=STREAM", "keep=ALL")  # with checkpointing, and without
PEERS = {"liger": "liger_kernel", "unsloth": "unsloth"}
ROWS = "rows.npy"
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "triton", "liger-kernel", "unsloth")
COLUMNS = (
    "shape | side | rows × passes | borders | tokens/s | peak GiB | reserved GiB | loss "
    "| gradient norm | first step, s"
)


@dataclass(frozen=True)
class Line:
    """A side with one choice of its settings."""

    side: str
    label: str
    rows: int
    passes: int
    variant: str = ""


def main() -> None:
    """Print the table line by line, as the sides end."""
    asked = arguments().parse_args()
    shapes = ["tiny-bigcode", "tiny-qwen2"] if asked.shape == "tiny" else asked.shape.split(",")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        per_step = max(1, asked.tokens_per_step // asked.max_seq_len)
        wanted = per_step * (asked.steps + asked.warm_up)
        count = write_rows(folder / ROWS, asked.data, asked.tokenizer, asked.max_seq_len, wanted)
        print(f"| {COLUMNS} |\n|{'---|' * len(COLUMNS.split('|'))}", flush=True)
        card, notes = "no card", []
        for shape in shapes:
            for line in lines(asked, per_step):
                found = run(shape, line, folder, asked)
                card = found.get("card", card)
                print(told(shape, line, found, apart=asked.borders), flush=True)
                notes += [f"{shape}, {line.label}: {where(found)}"] if "spent" in found else []
            shutil.rmtree(folder / shape, ignore_errors=True)  # 15 GB for a 7B shape
        print(f"\n{versions(card)}, {count:,} rows of {asked.max_seq_len:,} tokens")
        for note in notes:
            print(note)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", required=True, help=f"tiny, or some of {', '.join(SHAPES)}")
    parser.add_argument(
        "--side", default=",".join(SIDES), help="some of the sides; guide:4 takes 4 rows"
    )
    parser.add_argument("--ours", nargs="+", default=OURS, help="variants of our side")
    parser.add_argument(
        "--borders", action="store_true", help="the guide and Liger keep examples apart, too"
    )
    parser.add_argument("--rows", type=int, default=16, help="per pass, where a side does not say")
    parser.add_argument("--tokens-per-step", type=int, default=32768)
    parser.add_argument("--max-seq-len", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=8, help="counted ones")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before them")
    parser.add_argument("--data", type=Path, default=Path(sysconfig.get_path("stdlib")))
    parser.add_argument("--tokenizer", type=Path, default=DEMO_MODEL)
    parser.add_argument("--most-seconds", type=int, default=600, help="of one side")
    parser.add_argument("--set", action="append", default=[], help="a setting of the app's side")
    return parser


def lines(asked: argparse.Namespace, per_step: int) -> Iterator[Line]:
    """Yield what is to be measured; passes fill a step."""
    for one in asked.side.split(","):
        side, _, own_rows = one.partition(":")
        if side == "ours":
            for text in asked.ours:
                variant = {"rows": str(asked.rows), "keep": "ALL"} | parse_variant(text)
                size = min(int(variant["rows"]), per_step)
                keep = f"keep={variant['keep']}"
                yield Line(side, f"ours, keep {variant['keep']}", size, per_step // size, keep)
            continue
        size = min(int(own_rows or asked.rows), per_step)
        for choice in BOTH if side in ("liger", "unsloth") else ("",):
            label = f"{side}, no checkpointing" if choice == BOTH[1] else side
            yield Line(side, label, size, per_step // size, choice)


def run(shape: str, line: Line, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Measure one line in a process of its own; a side that fails is one line too."""
    if refused := refusal(shape, line.side):
        return {"failed": refused}
    model = folder / shape
    if line.side in ("unsloth", "app") and not model.exists():
        subprocess.run(
            [sys.executable, "-m", "tests.bench.shapes", shape, str(model)],
            cwd=PROJECT_ROOT,
            check=True,
            stderr=subprocess.DEVNULL,
        )
    if line.side == "app":
        steps = Steps(asked.steps, asked.warm_up, line.rows, line.passes, asked.max_seq_len)
        return run_app(folder / f"home-{shape}", model, str(asked.data), steps, asked.set)
    return _run_side(command_of(shape, line, folder, asked), asked.most_seconds)


def refusal(shape: str, side: str) -> str:
    """Return why a peer cannot be measured at all; nothing else is wrong with it."""
    if side in PEERS and not find_spec(PEERS[side]):
        return "not installed"
    if side in PEERS and SHAPES[shape]["model_type"] == "gpt_bigcode":
        return "has no kernels for GPTBigCode"
    return ""


def command_of(shape: str, line: Line, folder: Path, asked: argparse.Namespace) -> list[str]:
    values = {
        "shape": shape,
        "variant": line.variant,
        "rows-file": folder / ROWS,
        "model": folder / shape,
        "rows": line.rows,
        "passes": line.passes,
        "steps": asked.steps,
        "warm-up": asked.warm_up,
    }
    command = [sys.executable, "-m", "tests.bench.train.side", line.side]
    for name, value in values.items():
        command += [f"--{name}", str(value)]
    return [*command, *(["--borders"] if asked.borders else [])]


def _run_side(command: list[str], most_seconds: int) -> dict[str, Any]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile("w+") as complaints:
        try:
            done = subprocess.run(
                command,
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                timeout=most_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"failed: not done within {most_seconds} s"}
        complaints.seek(0)
        return _figures(done, complaints.read())


def _figures(done: subprocess.CompletedProcess[str], complaints: str) -> dict[str, Any]:
    last = (done.stdout.strip().splitlines() or [""])[-1]
    try:
        found: dict[str, Any] = json.loads(last)
    except ValueError:
        found = {"failed": f"failed: its process ended with status {done.returncode}"}
    if str(found.get("failed", "")).startswith("failed"):
        sys.stderr.write(complaints[-3000:])
    return found


def told(shape: str, line: Line, found: dict[str, Any], *, apart: bool) -> str:
    """Return a line of the table."""
    start = f"| {shape} | {line.label} | {line.rows} × {line.passes} "
    apart = line.side in ("plain", "ours", "app") or (apart and line.side != "unsloth")
    borders = "yes" if apart else "no"
    if "failed" in found:
        return f"{start}| {borders} | {found['failed']} |" + " |" * 5
    cells = [
        f"{found['tokens_per_s']:,.0f}",
        _number(found["peak_gib"], 2),
        _number(found["reserved_gib"], 2),
        _number(found["first_loss"], 4),
        _number(found["first_grad_norm"], 4),
        _number(found["first_step_s"], 1),
    ]
    return f"{start}| {borders} | {' | '.join(cells)} |"


def where(found: dict[str, Any]) -> str:
    """Return where the seconds of the app's side went, with the shares of its steps."""
    steps = found["spent"]["steps"]
    parts = [f"{name} {s:.2f} s ({s / steps:.2%})" for name, s in found["spent"].items()]
    each = ", ".join(f"{seconds:.2f}" for seconds in found["evaluations_s"])
    return f"{', '.join(parts)}; evaluations of {each} s; until step 1 {found['phases_s']}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def versions(card: str) -> str:
    """Return date, card and versions; torch is not loaded here, the card is the sides' alone."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"{datetime.now(UTC):%Y-%m-%d}, {card}, {', '.join(found)}"


if __name__ == "__main__":
    main()
