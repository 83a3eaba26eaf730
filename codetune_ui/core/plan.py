"""The arithmetic of a run before anything loads: steps, tokens, passes, time and memory."""

from __future__ import annotations

from dataclasses import dataclass

from codetune_ui.core.config import Config
from codetune_ui.core.memory import MemoryEstimate, estimate_memory
from codetune_ui.core.models import ModelShape
from codetune_ui.core.ways import (
    SPARE,
    Way,
    as_set,
    choose,
    is_fused,
    split_words,
    step_seconds,
    ways,
)

# Matrix rates in bf16 by a part of the card's name, from the makers' data sheets (dense, TFLOP/s).
CARD_TFLOPS = {
    "B200": 2250,
    "H200": 989,
    "H100": 989,
    "A100": 312,
    "L40": 181,
    "A6000": 155,
    "5090": 210,
    "4090": 165,
    "4080": 97,
    "4070": 58,
    "3090": 71,
    "3080": 60,
    "3060": 26,
    "T4": 65,
}
OTHER_CARD_TFLOPS = 50
USED_SHARE = 0.2  # of the data sheet that plain QLoRA reaches
MEASURED_CARD = "H200"  # the one that `step_seconds` speaks of
CORE_TFLOPS = 0.022  # one AVX2 core in float32, as measured on a 16 M model


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a config amounts to; `seconds` and `memory` (of one process) are estimates.

    base_parts: over how many cards the base is split.
    """

    micro_batch_rows: int
    grad_accum_steps: int
    processes: int
    base_parts: int
    global_batch_rows: int
    tokens_per_step: int
    total_steps: int
    total_tokens: int
    epochs: float | None
    seconds: float | None
    memory: MemoryEstimate | None

    def sentence(self) -> str:
        """Return the plan in one line."""
        passes = f"{self.micro_batch_rows} row{'' if self.micro_batch_rows == 1 else 's'}"
        if self.grad_accum_steps > 1:
            passes += f" × {self.grad_accum_steps} passes"
        if self.processes > 1:
            passes += f" × {self.processes} processes"
        if self.global_batch_rows > self.micro_batch_rows:
            passes += f" = {self.global_batch_rows} rows"
        parts = [
            f"{passes} = {self.tokens_per_step:,} tokens per step",
            f"{self.total_steps:,} step{'' if self.total_steps == 1 else 's'}",
        ]
        if self.base_parts > 1:
            parts.append(split_words(self.base_parts))
        if self.seconds is not None:
            parts.append(f"about {_duration(self.seconds)}")
        if self.memory is not None:
            parts.append(f"{self.memory.total_gib:.1f} GiB")
        return " · ".join(parts)


def make_plan(
    config: Config,
    *,
    train_tokens: int | None,
    shape: ModelShape | None,
    tokens_per_s: float | None,
    room_gib: float | None = None,
) -> Plan:
    """Work out a run; what is not known (no scan, no shape, no speed) stays None.

    `room_gib` is what the GPU has free; None without one.

    >>> from codetune_ui.core.presets import preset
    >>> make_plan(preset("guide"), train_tokens=None, shape=None, tokens_per_s=32_686).sentence()
    '16 rows = 32,768 tokens per step · 2,000 steps · about 33 min'
    """
    total = config.tokens_per_step * config.max_steps
    own = config.share(config.processes)
    way = planned_way(own, shape, room_gib, base_parts(config, shape, room_gib))
    return Plan(
        micro_batch_rows=way.rows,
        grad_accum_steps=own.global_batch_rows // way.rows,
        processes=config.processes,
        base_parts=way.parts,
        global_batch_rows=config.global_batch_rows,
        tokens_per_step=config.tokens_per_step,
        total_steps=config.max_steps,
        total_tokens=total,
        epochs=total / train_tokens if train_tokens else None,
        seconds=total / tokens_per_s if tokens_per_s else None,
        memory=estimate_memory(shape, own, way) if shape else None,
    )


def base_parts(config: Config, shape: ModelShape | None, room_gib: float | None) -> int:
    """Return over how many cards a run's base is split: 1 where each process has it whole.

    `room_gib` is what the card with the least room has free; None without one, where the processes
    share the main memory and only a person's word counts.
    """
    split = config.processes
    if split == 1 or config.split_base != "auto":
        return split if config.split_base == "yes" else 1
    if shape is None or room_gib is None or config.engine == "fused":
        return 1
    own = config.share(split)
    whole, parted = (
        estimate_memory(shape, own, planned_way(own, shape, room_gib, parts)).total_gib
        for parts in (1, split)
    )
    return split if parted < whole and whole > _room(own, room_gib) * (1 - SPARE) else 1


def planned_way(
    config: Config, shape: ModelShape | None, room_gib: float | None, parts: int = 1
) -> Way:
    """Return the way that a run will probably take: the choice made again once it is loaded.

    config: what one process trains; parts: over how many of them the base is split.
    """
    fused = parts == 1 and is_fused(config, shape, gpu=room_gib is not None)
    if shape is None or room_gib is None or config.memory_use == "as_set":
        return as_set(config, fused=fused, parts=parts)
    found = choose(
        ways(config, fused=fused, parts=parts),
        _room(config, room_gib),
        lambda way: estimate_memory(shape, config, way).total_gib,
        lambda way: step_seconds(shape, config, way),
        least=config.memory_use == "least",
    )
    return found.way


def _room(config: Config, room_gib: float) -> float:
    return min(room_gib, config.memory_limit_gib) if config.memory_limit_gib else room_gib


def guess_tokens_per_s(
    shape: ModelShape,
    config: Config,
    *,
    card: str | None,
    cores: int,
    room_gib: float | None = None,
) -> float:
    """Return a first guess of the speed, for a machine that has not trained this model yet.

    A frozen base costs two forward-sized passes a token, recomputation a third.
    """
    own = config.share(config.processes)
    way = planned_way(own, shape, room_gib, base_parts(config, shape, room_gib))
    if card is None:
        rate = CORE_TFLOPS * cores  # which the processes share
    else:
        known = (rate for name, rate in CARD_TFLOPS.items() if name in card)
        rate = next(known, OTHER_CARD_TFLOPS)
        if way.engine == "fused":
            slower = CARD_TFLOPS[MEASURED_CARD] / rate
            return config.tokens_per_step / (step_seconds(shape, own, way) * slower)
        rate *= USED_SHARE * config.processes
    passes = 3 if way.again else 2
    weights = shape.linear_parameters + shape.vocab * shape.hidden
    return rate * 1e12 / (2 * weights * passes)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
