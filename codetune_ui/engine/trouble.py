"""What a training cannot go on with: too little memory, or a card that is gone; and what then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError
from codetune_ui.core.ways import Way

if TYPE_CHECKING:
    from codetune_ui.engine.pace import Pace


class NoRoomError(MachineError):
    """A pass did not fit into the memory.

    smaller: the same training in passes of half the rows, everything computed twice; None where
    nothing is smaller.
    """

    def __init__(self, message: str, hint: str, *, smaller: Config | None) -> None:
        self.smaller = smaller
        super().__init__(message, hint)


def smaller(config: Config, way: Way) -> Config | None:
    """Return settings whose passes need less than a way did, and train the same; None for none.

    >>> four = Config(global_batch_rows=6, micro_batch_rows=6)
    >>> less = smaller(four, Way("plain", 6, 0.0))
    >>> less and (less.micro_batch_rows, less.gradient_checkpointing, less.memory_use)
    (3, True, 'as_set')
    >>> smaller(four, Way("plain", 1, 1.0))
    """
    if way.rows == 1 and way.again == 1:
        return None
    most = max(1, way.rows // 2)
    rows = next(n for n in range(most, 0, -1) if config.global_batch_rows % n == 0)
    return config.replace(memory_use="as_set", micro_batch_rows=rows, gradient_checkpointing=True)


def is_lack_of_memory(error: BaseException) -> bool:
    """Say whether an error means that the memory does not suffice, in torch's ways of saying so."""
    on_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return on_cpu or isinstance(error, (torch.OutOfMemoryError, MemoryError))


def gpu_lost(error: Exception, step: int) -> MachineError:
    """Return the error of a card that answers no more, in the words of torch."""
    what = str(error).partition("CUDA error:")[2].strip().partition("\n")[0].rstrip(".")
    return MachineError(
        f"The GPU stopped working after step {step:,}: {what or 'CUDA says no more'}.",
        "Look at it with nvidia-smi (a restart of the machine may be needed), then resume: the "
        "last checkpoint is whole.",
    )


def out_of_memory(config: Config, pace: Pace) -> NoRoomError:
    """Return the error of a pass that did not fit, with what makes it smaller."""
    rows, ways = pace.way.rows, []
    chosen = pace.steps is not None and config.memory_use != "as_set"
    if chosen and config.memory_use != "least":
        ways.append("set memory to least (it trains the same)")
    if not chosen and rows > 1:
        fewer = next(n for n in range(rows // 2, 0, -1) if config.global_batch_rows % n == 0)
        ways.append(f"set rows per pass to {fewer} (it trains the same)")
    if not chosen and pace.way.again < 1:
        ways.append("switch gradient checkpointing on")
    if config.quant == "none":
        ways.append("set quantisation to nf4")
    ways.append("shorten the sequence length")
    sentence = ways[0][0].upper() + ways[0][1:] + "".join(f", or {way}" for way in ways[1:])
    return NoRoomError(
        f"The memory did not suffice for {rows} row{'' if rows == 1 else 's'} of "
        f"{config.max_seq_len:,} tokens per pass.",
        f"{sentence}.",
        smaller=smaller(config, pace.way),
    )
