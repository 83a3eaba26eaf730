"""How good is the memory estimate? Peaks of the fused engine beside it, in many cells.

python -m tests.bench.memory_cells --rows FILE.npy [--shape starcoderbase-1b,qwen2.5-coder-1.5b]

A cell is a shape, rows a pass, a sequence length, and a share of layers computed again. Estimated
is before anything is loaded; corrected is after two passes of one and of two rows (engine/pace.py).
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from codetune_ui.core.config import Config
from codetune_ui.core.memory import estimate_memory
from codetune_ui.core.models import ModelShape
from codetune_ui.core.pack import Row, from_words
from codetune_ui.core.ways import Way
from codetune_ui.engine.fused.decoder import FusedDecoder
from codetune_ui.engine.fused.steps import FusedSteps
from codetune_ui.engine.hardware import GIB
from codetune_ui.engine.pace import measured_memory
from tests.bench.shapes import SHAPES
from tests.bench.train.measure import Task
from tests.bench.train.ours import trained_of, tuned_model

CELLS = [(1, 0.0), (2, 0.0), (4, 0.0), (8, 0.0), (1, 1.0), (4, 1.0), (8, 0.5), (16, 1.0)]
LENGTHS = (2048, 1024)


def cut(rows: Sequence[Row], length: int) -> list[Row]:
    """Shorten rows: as many of their first examples as fit, the last one cut."""
    found = []
    for row in rows:
        lengths, left = [], length
        for size in row.seq_lengths:
            if left:
                lengths.append(min(size, left))
                left -= lengths[-1]
        found.append(Row(row.ids[:length], row.labels[:length], tuple(lengths)))
    return found


def measure(shape: str, rows: Sequence[Row]) -> list[tuple[str, float, float, float]]:
    """Return a line per cell: its name, and GiB estimated, corrected and measured."""
    figures = ModelShape.from_hf(SHAPES[shape])
    task = Task(shape, 2048, [], "cuda", torch.bfloat16)
    tuned = tuned_model(task, checkpointing=False)
    found = []
    for length in LENGTHS:
        short = cut(rows, length)
        config = Config(max_seq_len=length, lora_rank=8, global_batch_rows=16, micro_batch_rows=1)
        decoder = FusedDecoder(tuned, torch.bfloat16, length)
        corrected = measured_memory(decoder, config, figures, short[:2])
        optimizer = torch.optim.AdamW(trained_of(tuned), lr=1e-4, fused=True)
        for count, again in CELLS if length == LENGTHS[0] else CELLS[1::2]:
            way = Way("fused", count, again)
            estimate = estimate_memory(figures, config, way).total_gib
            if estimate > 0.9 * torch.cuda.get_device_properties(0).total_memory / GIB:
                continue
            peak = _peak(decoder, way, short[:16], optimizer)
            name = f"{shape} {count} x {length}, again {again:g}"
            found.append((name, estimate, corrected(way), peak))
        del decoder, optimizer
    return found


def _peak(
    decoder: FusedDecoder, way: Way, rows: Sequence[Row], optimizer: torch.optim.Optimizer
) -> float:
    steps = FusedSteps(decoder, way)
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    for _ in range(2):  # the second step finds the optimizer's state
        steps.step(rows[: 2 * way.rows])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return torch.cuda.max_memory_allocated() / GIB


def main() -> None:
    """Print the cells, and how far off the estimates are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, required=True, help="rows of 2,048 words, .npy")
    parser.add_argument("--shape", default="starcoderbase-1b,qwen2.5-coder-1.5b,qwen2.5-coder-7b")
    options = parser.parse_args()
    rows = [from_words(words) for words in np.load(options.rows)[:16]]
    cells = []
    for shape in options.shape.split(","):
        cells += measure(shape, rows)
        gc.collect()
        torch.cuda.empty_cache()
    print("| cell | estimated | corrected | measured | off | off, corrected |")
    print("|---|---|---|---|---|---|")
    for name, estimate, corrected, peak in cells:
        off, left = estimate / peak - 1, corrected / peak - 1
        print(
            f"| {name} | {estimate:.2f} | {corrected:.2f} | {peak:.2f} | {off:+.1%} | {left:+.1%} |"
        )
    for name, place in (("estimate", 1), ("corrected", 2)):
        wrong = [abs(float(cell[place]) / cell[3] - 1) for cell in cells]
        print(f"{name}: mean {np.mean(wrong):.1%}, worst {max(wrong):.1%} of {len(cells)} cells")


if __name__ == "__main__":
    main()
