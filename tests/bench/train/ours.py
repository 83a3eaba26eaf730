"""Our two sides: the fused path with its settings, and the plain one for what it cannot train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from codetune_ui.core.config import Config
from codetune_ui.engine.fused.block import Keep
from codetune_ui.engine.fused.decoder import Batch, FusedDecoder
from codetune_ui.engine.fused.graph import GraphedDecoder
from codetune_ui.engine.model import attach_adapter, checkpoint_activations
from codetune_ui.engine.rows import collate, flatten, for_model
from codetune_ui.engine.train import summed_loss
from tests.bench.shapes import quantise, random_model
from tests.bench.train.measure import Side, Task


def tuned_model(task: Task, *, checkpointing: bool, base: Any = None) -> Any:
    """Return the shape in NF4 under the app's adapter, whose A is of a fixed seed."""
    model = base
    if model is None:
        model = random_model(task.shape, task.device, task.dtype, dropout=False)
        quantise(model, task.dtype)
    model.config.use_cache = False
    config = Config(
        base_model=task.shape,
        lora_rank=8,
        lora_alpha=32,
        lora_dropout=0.0,
        lora_targets="all-linear",
    )
    torch.manual_seed(1)
    tuned = attach_adapter(model, config).train()
    if checkpointing:
        checkpoint_activations(tuned.get_base_model())
    return tuned


def trained_of(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def ours(task: Task, keep: str) -> Side:
    """Return the fused path; `keep` names what every block keeps for its backward pass."""
    tuned = tuned_model(task, checkpointing=False)
    fused = FusedDecoder(tuned, task.dtype, task.max_seq_len)
    fused.keep([Keep[keep]] * len(fused.parts.blocks))
    steps = [[_batch(flatten(rows), task.device) for rows in step] for step in task.steps]
    scales = [
        torch.tensor(1 / sum(len(batch.targets.ids) for batch in batches), device=task.device)
        for batches in steps
    ]
    passes = GraphedDecoder(fused) if task.device == "cuda" else fused
    return Side(trained_of(tuned), lambda n: fused_step(passes, steps[n], scales[n]))


def fused_step(
    fused: FusedDecoder | GraphedDecoder, batches: Sequence[Batch], scale: torch.Tensor
) -> torch.Tensor:
    """Forward and backward of one step."""
    fused.begin()
    loss = torch.zeros((), device=scale.device)
    for batch in batches:
        loss += fused.add(batch, scale)
    fused.end()
    return loss * scale


def _batch(inputs: dict[str, Any], device: str) -> Batch:
    return Batch.of(on_device(inputs, device))


def on_device(inputs: dict[str, Any], device: str) -> dict[str, Any]:
    return {n: v.to(device) if isinstance(v, torch.Tensor) else v for n, v in inputs.items()}


def plain(task: Task, *, checkpointing: bool) -> Side:
    """Return what the app trains with where the fused path does not fit."""
    tuned = tuned_model(task, checkpointing=checkpointing)
    steps = [[_inputs(task, rows) for rows in step] for step in task.steps]
    counts = [sum(_targets(inputs) for inputs in step) for step in steps]

    def run(number: int) -> torch.Tensor:
        total = torch.zeros((), device=task.device)
        for inputs in steps[number]:
            given = {name: value for name, value in inputs.items() if name != "labels"}
            with autocast(task):
                nll, _ = summed_loss(tuned(**given, use_cache=False).logits, inputs["labels"])
            loss = nll / counts[number]
            torch.autograd.backward(loss)
            total += loss.detach()
        return total

    return Side(trained_of(tuned), run)


def _inputs(task: Task, rows: Sequence[Any]) -> dict[str, Any]:
    return on_device(for_model(collate(rows, flat=False)), task.device)


def _targets(inputs: dict[str, Any]) -> int:
    return int((inputs["labels"] >= 0).sum())


def autocast(task: Task) -> Any:
    """What the Trainer's bf16 setting does; on a CPU everything is fp32."""
    return torch.autocast(task.device, torch.bfloat16, enabled=task.dtype == torch.bfloat16)
