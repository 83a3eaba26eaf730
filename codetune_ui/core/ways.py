"""How a step is cut into passes: rows a pass and how much is computed again, to fit and be fast.

The same rows make the same step whichever way is taken: only time and memory differ. Before a
model is loaded the memory of a way is an estimate, afterwards it is measured (engine/probe.py);
both choose here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from codetune_ui.core.config import Config
from codetune_ui.core.models import ModelShape

SPARE = 0.08  # of the memory that is left free
AGAIN = (0.0, 0.25, 0.5, 0.75, 1.0)  # shares of the blocks that are computed again
FUSED_KINDS = ("gpt_bigcode", "llama", "mistral", "qwen2", "starcoder2")
FUSED_ATTENTION = ("auto", "sdpa")  # the others are the plain engine's
AS_FAST = 1.015  # what is this little slower is taken when it needs less memory

# Fitted to one H200, where a pass of 2,048 to 32,768 tokens was timed for three shapes.
PASS_S, PASS_S_PER_WEIGHT = 7e-3, 3e-12  # unpacking 4-bit weights, and what starts slowly
FLOPS = 430e12


@dataclass(frozen=True)
class Way:
    """One way to compute a step."""

    engine: Literal["fused", "plain"]
    rows: int  # a pass
    again: float  # share of the blocks that are computed again instead of kept
    parts: int = 1  # cards over which the base is split

    def words(self) -> str:
        """Say it in a few words.

        >>> Way("fused", 8, 0.25).words()
        '8 rows a pass, a quarter of the layers computed twice'
        >>> Way("plain", 1, 1.0, parts=2).words()
        '1 row a pass, all computed twice, base split over 2 cards'
        """
        rows = f"{self.rows} row{'' if self.rows == 1 else 's'} a pass"
        parts = {0.0: "nothing", 0.25: "a quarter", 0.5: "half", 0.75: "three quarters"}
        part = parts.get(self.again, "all")
        again = f"{part}{' of the layers' if 0 < self.again < 1 else ''} computed twice"
        return ", ".join(filter(None, (rows, again, split_words(self.parts))))


def split_words(parts: int) -> str:
    """Say over how many cards a base is split; "" where each has it whole."""
    return f"base split over {parts} cards" if parts > 1 else ""


@dataclass(frozen=True)
class Choice:
    """The way taken, its peak in GiB as far as it is known, and whether that fits."""

    way: Way
    memory_gib: float
    fits: bool


def is_fused(config: Config, shape: ModelShape | None, *, gpu: bool) -> bool:
    """Say whether the fused engine is expected to train this, before anything is loaded."""
    if config.engine == "plain" or shape is None or shape.kind not in FUSED_KINDS:
        return False
    gpu_format = config.compute_dtype == "bfloat16" or not gpu
    return gpu_format and config.lora_dropout == 0.0 and config.attention in FUSED_ATTENTION


def as_set(config: Config, *, fused: bool, parts: int = 1) -> Way:
    """Return the way that the settings name."""
    again = 1.0 if config.gradient_checkpointing else 0.0
    return Way("fused" if fused else "plain", config.micro_batch_rows, again, parts)


def ways(config: Config, *, fused: bool, parts: int = 1) -> list[Way]:
    """Return all ways to compute a step of this many rows."""
    total = config.global_batch_rows
    rows = [count for count in range(1, total + 1) if total % count == 0]
    if fused:
        return [Way("fused", count, again) for count in rows for again in AGAIN]
    return [Way("plain", count, again, parts) for count in rows for again in (0.0, 1.0)]


def choose(
    options: Iterable[Way],
    room_gib: float,
    memory_gib: Callable[[Way], float],
    seconds: Callable[[Way], float],
    *,
    least: bool = False,
) -> Choice:
    """Return the fastest way that leaves `SPARE` of the room, or the one that needs least.

    Where none fits, it is the one that needs least, and the choice says so.
    """
    needs = {way: memory_gib(way) for way in options}
    smallest = min(needs, key=lambda way: (needs[way], seconds(way)))
    fitting = [way for way in needs if needs[way] <= room_gib * (1 - SPARE)]
    if least or not fitting:
        return Choice(smallest, needs[smallest], smallest in fitting)
    best = min(seconds(way) for way in fitting)
    near = [way for way in fitting if seconds(way) <= best * AS_FAST]
    chosen = min(near, key=lambda way: needs[way])
    return Choice(chosen, needs[chosen], fits=True)


def step_seconds(shape: ModelShape, config: Config, way: Way) -> float:
    """Return about how long a step takes on an H200; on other cards the order is the same.

    A frozen weight costs four operations a token, forward and back; computed again, two more,
    except in the last product of a block.
    """
    weights = shape.linear_parameters
    last = shape.layers * shape.hidden * shape.intermediate
    flops = 4 * (weights + shape.vocab * shape.hidden) + 2 * way.again * (weights - last)
    passes = config.global_batch_rows / way.rows
    fixed = (PASS_S + PASS_S_PER_WEIGHT * weights) * (1 + way.again / 2)
    return config.tokens_per_step * flops / FLOPS + passes * fixed
