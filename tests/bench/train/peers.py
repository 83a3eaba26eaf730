"""The peers, each as its own documentation sets it up: the guide's recipe, Liger and Unsloth.

Unless asked for with `borders`, none sees where the examples of a row begin and end: that is their
fastest attention.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from codetune_ui.engine.rows import collate
from tests.bench.shapes import quantise, random_model
from tests.bench.train.measure import Side, Task
from tests.bench.train.ours import autocast, on_device, trained_of, tuned_model

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def guide(task: Task, *, borders: bool) -> Side:
    """Return the guide's recipe: all 16-bit weights copied to fp32, and checkpointing.

    The model's own dropouts stay as published.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    model = random_model(task.shape, task.device, task.dtype)
    quantise(model, task.dtype)
    model.config.use_cache = False
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=True)
    adapter = LoraConfig(
        r=8, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    torch.manual_seed(1)
    return _by_own_loss(task, get_peft_model(model, adapter).train(), borders)


def liger(task: Task, *, checkpointing: bool, borders: bool) -> Side:
    """Return what the Trainer's `use_liger_kernel` does, on the shapes that Liger knows."""
    patches = import_module("liger_kernel.transformers.monkey_patch")
    model = random_model(task.shape, task.device, task.dtype, dropout=False)
    quantise(model, task.dtype)
    patches._apply_liger_kernel_to_instance(model=model)
    tuned = tuned_model(task, checkpointing=checkpointing, base=model)
    return _by_own_loss(task, tuned, borders)


def unsloth(task: Task, folder: Path, *, checkpointing: bool) -> Side:
    """Return Unsloth's model from a folder; it has kernels for the Llama-like shapes alone."""
    fast = import_module("unsloth").FastLanguageModel
    model, _ = fast.from_pretrained(
        model_name=str(folder),
        max_seq_length=task.max_seq_len,
        dtype=torch.bfloat16,
        load_in_4bit=True,
        local_files_only=True,
        use_gradient_checkpointing="unsloth" if checkpointing else False,
    )
    tuned = fast.get_peft_model(
        model,
        r=8,
        lora_alpha=32,
        lora_dropout=0,
        target_modules=LINEAR,
        bias="none",
        use_gradient_checkpointing="unsloth" if checkpointing else False,
        random_state=1,
        max_seq_length=task.max_seq_len,
    )
    fast.for_training(tuned, use_gradient_checkpointing="unsloth" if checkpointing else False)
    return _by_own_loss(task, tuned, borders=False)


def _by_own_loss(task: Task, tuned: Any, borders: bool) -> Side:
    """Train by the loss that the model computes itself, over the targets of the whole step."""
    names = ("input_ids", "labels", "position_ids") if borders else ("input_ids", "labels")
    steps = []
    for step in task.steps:
        batches = [on_device(collate(rows, flat=False), task.device) for rows in step]
        steps.append([{name: batch[name] for name in names} for batch in batches])

    def run(number: int) -> torch.Tensor:
        targets = torch.stack([(inputs["labels"] >= 0).sum() for inputs in steps[number]]).sum()
        total = torch.zeros((), device=task.device)
        for inputs in steps[number]:
            with autocast(task):
                loss = tuned(**inputs, num_items_in_batch=targets).loss
            torch.autograd.backward(loss)
            total += loss.detach()
        return total

    return Side(trained_of(tuned), run)
