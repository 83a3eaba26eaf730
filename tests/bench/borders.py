"""Print, for every shape and attention, how far a packed row is from its examples alone.

python -m tests.bench.borders [--attention sdpa,eager,flash_attention_2] [--dtype bfloat16]

A line: the largest difference of a logit, rows side by side and end to end, then what an all-ones
mask does, which is what a leak looks like. In 16 bit a difference is rounding; `noise` is what the
same examples alone differ from themselves in float32.
"""

from __future__ import annotations

import argparse

import torch

from codetune_ui.core.pack import Row
from tests.borders import SHAPES, masked_logits, packed_logits, some_rows, tiny, worst_difference


def measure(shape: str, attention: str, dtype: torch.dtype, device: str, rows: list[Row]) -> str:
    """Return one line of the table."""
    model = tiny(shape, attention, dtype=dtype, device=device)
    side = end = masked = float("nan")
    flash = attention.startswith("flash") or "flash" in attention
    if not flash:  # the app lays rows end to end for flash-attn, and side by side else
        side = worst_difference(model, rows, packed_logits(model, rows, flat=False))
    end = worst_difference(model, rows, packed_logits(model, rows, flat=True))
    masked = worst_difference(model, rows, masked_logits(model, rows))
    exact = tiny(shape, "eager", dtype=torch.float32, device=device)
    noise = worst_difference(exact, rows, _alone(model, rows))
    return f"{side:>11.2e} {end:>11.2e} {noise:>11.2e} {masked:>11.2e}"


@torch.no_grad()
def _alone(model: torch.nn.Module, rows: list[Row]) -> torch.Tensor:
    """Return the logits of every example alone, laid into rows."""
    device = next(model.parameters()).device
    found = []
    for row in rows:
        place, parts = 0, []
        for length in row.seq_lengths:
            ids = torch.from_numpy(row.ids[place : place + length]).long()[None].to(device)
            parts.append(model(input_ids=ids, use_cache=False).logits[0])
            place += length
        found.append(torch.cat(parts))
    return torch.stack(found)


def main() -> None:
    """Measure everything that runs here; say what does not, and why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attention", default="sdpa,eager,flash_attention_2")
    parser.add_argument("--dtype", default="float32,bfloat16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asked = parser.parse_args()
    rows, _ = some_rows()
    print(f"torch {torch.__version__} on {asked.device}; largest difference of a logit")
    print(f"{'shape':<12} {'attention':<32} {'dtype':<9}", end="")
    print(f" {'side/side':>11} {'end/end':>11} {'noise':>11} {'all-ones':>11}")
    for attention in asked.attention.split(","):
        for dtype in asked.dtype.split(","):
            for shape in SHAPES:
                try:
                    line = measure(shape, attention, getattr(torch, dtype), asked.device, rows)
                except (ImportError, ValueError, RuntimeError, AttributeError) as error:
                    line = f"{type(error).__name__}: {str(error).splitlines()[0][:90]}"
                print(f"{shape:<12} {attention:<32} {dtype:<9} {line}", flush=True)


if __name__ == "__main__":
    main()
