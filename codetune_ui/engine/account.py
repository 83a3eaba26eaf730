"""A training in figures: its plan as it begins, its result at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codetune_ui.core.memory import estimate_memory
from codetune_ui.core.models import ModelShape
from codetune_ui.core.plan import planned_way
from codetune_ui.engine.best import Kept
from codetune_ui.engine.callbacks import Meter
from codetune_ui.engine.hardware import peak_memory_gib
from codetune_ui.engine.pace import room_gib
from codetune_ui.engine.place import Place
from codetune_ui.engine.producer import Prepared
from codetune_ui.runs.events import read_events
from codetune_ui.runs.files import read_json


def tell_plan(place: Place, prepared: Prepared, folder: Path, resume_from: Path | None) -> None:
    """Write what is going to be trained, and how, as the run's `plan` event."""
    config, precision = place.run.config(), place.precision
    for note in precision.notes:
        place.reporter.log(note, "warning")
    place.reporter.event(
        "plan",
        total_steps=config.max_steps,
        tokens_per_step=config.tokens_per_step,
        grad_accum_steps=config.share(place.ranks.size).grad_accum_steps,
        processes=place.ranks.size,
        base_parts=place.base_parts,
        train_rows=config.max_steps * config.global_batch_rows,
        val_rows=prepared.val_rows,
        train_documents=prepared.train_documents,
        val_documents=prepared.val_documents,
        chars_per_token=prepared.chars_per_token,
        fim_rate_effective=prepared.fim_rate_effective,
        whole_prompt_share=prepared.whole_prompt_share,
        family=prepared.family,
        quant=precision.quant,
        compute_dtype=str(precision.dtype).removeprefix("torch."),
        attention=precision.attention,
        device=place.hardware.name,
        estimated_memory_gib=_estimate(place, folder),
        resumed_from=resume_from.name if resume_from else None,
    )


def _estimate(place: Place, folder: Path) -> float:
    shape = ModelShape.from_hf(read_json(folder / "config.json") or {})
    config = place.run.config().replace(quant=place.precision.quant).share(place.ranks.size)
    room = room_gib(config) if place.hardware.device == "cuda" else None
    way = planned_way(config, shape, room, place.base_parts)
    return round(estimate_memory(shape, config, way).total_gib, 3)


def result_of(
    place: Place, meter: Meter, kept: Kept, start: float, seconds: float
) -> dict[str, Any]:
    """Return the figures of DESIGN §7; losses are those of the whole run, over all its attempts."""
    run = place.run
    events, _ = read_events(run.events_path)
    losses = [event["loss"] for event in events if event["kind"] == "train"]
    val_losses = [event["val_loss"] for event in events if event["kind"] == "eval"]
    guesses = [event["estimated_memory_gib"] for event in events if "estimated_memory_gib" in event]
    spent = meter.total_seconds
    return {
        "run": run.name,
        "state": "stopped" if place.stop() and place.reporter.cut_short else "finished",
        "steps": place.reporter.status.step,
        "loss_first": losses[0] if losses else None,
        "loss_last": losses[-1] if losses else None,
        "val_loss_first": val_losses[0] if val_losses else None,
        "val_loss_last": val_losses[-1] if val_losses else None,
        "tokens_per_second": round(meter.own_tokens / spent, 1) if spent else None,
        "peak_memory_gib": round(peak_memory_gib(place.hardware.device), 3),
        "estimated_memory_gib": guesses[-1],
        "seconds": round(seconds, 1),
        "spent": {"start": round(start, 3), "steps": round(spent, 3)} | meter.spent.parts(),
        "adapter": str(kept.folder),
        "adapter_step": kept.step,
        "adapter_why": kept.why,
    }
