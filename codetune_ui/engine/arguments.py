"""What transformers' Trainer is told of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import TrainingArguments

from codetune_ui.core.config import Config
from codetune_ui.engine.pace import Pace

if TYPE_CHECKING:
    from codetune_ui.engine.place import Place


def training_arguments(
    place: Place, config: Config, pace: Pace, *, resumed: bool
) -> TrainingArguments:
    """Return what the Trainer of this process goes by; config: what it trains, as if alone."""
    cuda = place.hardware.device == "cuda"
    # A step of the fused engine comes as a whole: it cuts its passes itself.
    rows = pace.way.rows if pace.steps is None else config.global_batch_rows
    return TrainingArguments(
        output_dir=str(place.run.checkpoints_dir),
        max_steps=config.max_steps,
        per_device_train_batch_size=rows,
        per_device_eval_batch_size=pace.way.rows,
        gradient_accumulation_steps=config.global_batch_rows // rows,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.lr_scheduler,
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim="adamw_torch_fused",
        bf16=place.precision.dtype == torch.bfloat16,
        fp16=place.precision.dtype == torch.float16,
        use_cpu=not cuda,
        eval_strategy="steps",
        eval_steps=config.eval_every,
        eval_on_start=not resumed,
        save_strategy="steps",
        save_steps=config.save_every,
        logging_strategy="steps",
        logging_steps=config.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # it logs a diverged loss as 0
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=cuda and pace.steps is None,
    )
