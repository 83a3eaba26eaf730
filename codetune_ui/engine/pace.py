"""Which engine trains a run, and in which way: measured on the loaded model, and said.

The fused engine is taken where it knows the model and computes the same loss as the plain one on
two examples. How much memory a pass takes is then measured on one row and on two, and the fastest
way that fits the free memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError
from codetune_ui.core.memory import estimate_memory
from codetune_ui.core.models import ModelShape
from codetune_ui.core.pack import Row
from codetune_ui.core.ways import FUSED_ATTENTION, Choice, Way, as_set, choose, step_seconds, ways
from codetune_ui.engine.fused.build import UnfitError
from codetune_ui.engine.fused.decoder import FusedDecoder
from codetune_ui.engine.fused.steps import FusedSteps, on_device
from codetune_ui.engine.hardware import GIB
from codetune_ui.engine.model import Precision, checkpoint_activations
from codetune_ui.engine.ranks import ALONE, Ranks
from codetune_ui.engine.rows import flatten
from codetune_ui.engine.shard import WHOLE, WholeBase

LESS = 0.8  # of the memory, when the last way did not fit
STEEPEST = 1.2  # times the estimate's growth: what is measured on two passes is not known better
SAME = 0.01  # relative difference of two losses that are the same but for rounding to 16 bit
CHECKED_TOKENS = 256  # of each of the two examples that both engines see


@dataclass(frozen=True)
class Pace:
    """The engine that trains: None for the plain one; the way, and what is said of the choice.

    base: what the processes do together in a pass, where the base is split among them.
    """

    steps: FusedSteps | None
    way: Way
    sentence: str
    memory_gib: float | None = None  # the expected peak
    base: WholeBase = WHOLE


def choose_pace(
    tuned: Any,
    config: Config,
    precision: Precision,
    rows: Sequence[Row],
    ranks: Ranks = ALONE,
    base: WholeBase = WHOLE,
) -> Pace:
    """Choose for a `PeftModel` that is ready to train; `rows` are some of its own (one or two).

    config: what this process trains. All processes choose alike. Raises `ModelError` when the fused
    engine was asked for and cannot train this model.
    """
    shape = ModelShape.from_hf(tuned.get_base_model().config.to_dict())
    if base.parts > 1:  # the fused engine would hold every weight where it lies now
        return _plain(tuned, config, shape, "the fused engine needs it whole", ranks, base)
    decoder, why = _fused(tuned, config, precision, rows)
    why = next(filter(None, ranks.hear(why)), "")
    if decoder is None or why:
        if config.engine == "fused":
            raise ModelError(
                f"The fused engine cannot train this: {why}.", "Set the engine to auto."
            )
        return _plain(tuned, config, shape, why, ranks)
    way, memory_gib, found, smaller = ranks.tell(_fused_way(decoder, config, shape, rows, ranks))
    if decoder.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()  # from here on it is the training's own
    sentence = f"Fused engine, {way.words()}{found}."
    return Pace(FusedSteps(decoder, way, smaller), way, sentence, memory_gib)


# --- the plain engine


def _plain(
    tuned: Any,
    config: Config,
    shape: ModelShape,
    why: str,
    ranks: Ranks,
    base: WholeBase = WHOLE,
) -> Pace:
    way = as_set(config, fused=False, parts=base.parts)
    if torch.cuda.is_available() and config.memory_use != "as_set":
        chosen = choose(
            ways(config, fused=False, parts=base.parts),
            _least_room(config, ranks),
            lambda one: estimate_memory(shape, config, one).total_gib,
            lambda one: step_seconds(shape, config, one),
            least=config.memory_use == "least",
        )
        way = chosen.way
    if way.again:
        checkpoint_activations(tuned.get_base_model())
    return Pace(None, way, f"Plain engine, {way.words()} ({why}).", base=base)


# --- the fused engine


def _fused(
    tuned: Any, config: Config, precision: Precision, rows: Sequence[Row]
) -> tuple[FusedDecoder | None, str]:
    """Return the fused engine for a model, or why it cannot train it."""
    try:
        return _checked(tuned, config, precision, rows), ""
    except UnfitError as error:
        return None, str(error)


def _checked(tuned: Any, config: Config, precision: Precision, rows: Sequence[Row]) -> FusedDecoder:
    if config.engine == "plain":
        raise UnfitError("as it is set")
    if config.attention not in FUSED_ATTENTION:
        raise UnfitError(f"attention is set to {config.attention}")
    decoder = FusedDecoder(tuned, precision.dtype, config.max_seq_len)
    ours, theirs = _both_losses(tuned, decoder, precision, rows[0])
    if not abs(ours - theirs) <= SAME * abs(theirs):
        raise UnfitError(f"its loss would be {ours:.4f} instead of {theirs:.4f}")
    return decoder


@torch.no_grad()
def _both_losses(
    tuned: Any, decoder: FusedDecoder, precision: Precision, row: Row
) -> tuple[float, float]:
    """Return the loss of two examples packed in one row, by both engines.

    The plain one sees each alone, so that a border that leaks would be seen too.
    """
    from codetune_ui.engine.train import summed_loss

    pieces = _two_examples(row)
    joined = _joined(pieces)
    decoder.begin()
    ours = float(decoder.loss(on_device(flatten([joined]), decoder.device)))
    theirs = 0.0
    tuned.eval()
    for piece in pieces:
        ids = torch.from_numpy(piece.ids).long()[None].to(decoder.device)
        labels = torch.from_numpy(piece.labels).long()[None].to(decoder.device)
        with torch.autocast(decoder.device.type, precision.dtype, _autocasts(precision)):
            logits = tuned(input_ids=ids).logits
        theirs += float(summed_loss(logits, labels)[0])
    tuned.train()
    return ours, theirs


def _autocasts(precision: Precision) -> bool:
    return precision.dtype != torch.float32


def _two_examples(row: Row) -> list[Row]:
    """Return the first tokens of a row as two examples, with loss on all tokens but the first."""
    size = min(CHECKED_TOKENS, len(row.ids) // 2)
    found = []
    for start in (0, size):
        ids = row.ids[start : start + size]
        found.append(Row(ids, np.concatenate([[-100], ids[1:]]).astype(np.int32), (len(ids),)))
    return found


def _joined(pieces: Sequence[Row]) -> Row:
    return Row(
        np.concatenate([piece.ids for piece in pieces]),
        np.concatenate([piece.labels for piece in pieces]),
        tuple(len(piece.ids) for piece in pieces),
    )


def _fused_way(
    decoder: FusedDecoder, config: Config, shape: ModelShape, rows: Sequence[Row], ranks: Ranks
) -> tuple[Way, float | None, str, list[Way]]:
    """Return the way, its expected peak, words on why, and the ways that need less than it."""
    wanted = as_set(config, fused=True)
    if decoder.device.type != "cuda":
        return wanted, None, "", []
    memory = measured_memory(decoder, config, shape, rows)
    room = _least_room(config, ranks)
    if config.memory_use == "as_set":
        return wanted, memory(wanted), f": {memory(wanted):.1f} of {room:.1f} GiB", []
    options = ways(config, fused=True)
    chosen = choose(
        options,
        room,
        memory,
        lambda one: step_seconds(shape, config, one),
        least=config.memory_use == "least",
    )
    kind = {"fastest": "the fastest that fits", "least": "the least memory"}[config.memory_use]
    if not chosen.fits:
        kind = "the least memory, which is more than is free"
    words = f": {chosen.memory_gib:.1f} of {room:.1f} GiB, {kind}"
    return chosen.way, chosen.memory_gib, words, smaller_ways(options, chosen, memory)


def smaller_ways(
    options: Sequence[Way], chosen: Choice, memory_gib: Callable[[Way], float]
) -> list[Way]:
    """Return ways for when the chosen one does not fit: each needs a fifth less than the last."""
    found, limit = [], chosen.memory_gib * LESS
    for way in sorted(options, key=memory_gib, reverse=True):
        if memory_gib(way) <= limit:
            found.append(way)
            limit = memory_gib(way) * LESS
    return found


def measured_memory(
    decoder: FusedDecoder, config: Config, shape: ModelShape, rows: Sequence[Row]
) -> Callable[[Way], float]:
    """Return a function that says a way's peak in GiB: the estimate, as measuring corrects it.

    Measured are passes of one row and of two, with all kept and with all computed again.
    """
    later = optimizer_gib(decoder)  # made by the first step of the optimizer
    lines = {}
    for again in (0.0, 1.0):
        lines[again] = _line(decoder, config, shape, rows, again, later)
    torch.cuda.empty_cache()

    def memory(way: Way) -> float:
        expected = estimate_memory(shape, config, way).total_gib
        first, slope = lines[1.0 if way.again == 1.0 else 0.0]
        one = Way("fused", 1, 1.0 if way.again == 1.0 else 0.0)
        return first + slope * (expected - estimate_memory(shape, config, one).total_gib)

    return memory


def _line(
    decoder: FusedDecoder,
    config: Config,
    shape: ModelShape,
    rows: Sequence[Row],
    again: float,
    later: float,
) -> tuple[float, float]:
    """Return the peak of a pass of one row, and how much faster than the estimate it grows."""
    small, large = Way("fused", 1, again), Way("fused", 2, again)
    first = _peak(decoder, small, rows) + later
    if config.global_batch_rows == 1 or len(rows) < 2:
        return first, 1.0
    second = _peak(decoder, large, rows) + later
    if not math.isfinite(second):  # two rows do not fit: the estimate has to say by how much
        return first, 1.0
    expected = (
        estimate_memory(shape, config, large).total_gib
        - estimate_memory(shape, config, small).total_gib
    )
    # The estimate counts every tensor: it is trusted to grow rightly, or too slowly.
    return first, min(STEEPEST, max(1.0, (second - first) / expected))


def _peak(decoder: FusedDecoder, way: Way, rows: Sequence[Row]) -> float:
    """Return the peak of one pass in GiB; infinite when it does not fit."""
    steps = FusedSteps(decoder, way)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    scale = torch.ones((), device=decoder.device)
    try:
        decoder.begin()
        decoder.add(on_device(flatten(rows[: way.rows]), decoder.device), scale)
    except torch.OutOfMemoryError:
        return float("inf")
    finally:
        decoder.begin()
        del steps
    return torch.cuda.max_memory_allocated() / GIB


def optimizer_gib(decoder: FusedDecoder) -> float:
    """Return what Adam's two moments will take, in fp32."""
    return 8 * decoder.adapter.count / GIB


def _least_room(config: Config, ranks: Ranks) -> float:
    """Return the room on the card that has least of it."""
    return min(ranks.hear(room_gib(config)))


def room_gib(config: Config) -> float:
    """Return what this process may take of the GPU's memory: what it holds, and what is free."""
    free, _ = torch.cuda.mem_get_info()
    room = (free + torch.cuda.memory_reserved()) / GIB
    return min(room, config.memory_limit_gib) if config.memory_limit_gib else room
