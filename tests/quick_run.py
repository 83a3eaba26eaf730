"""Settings of a run that is quick on any machine, for tests of the processes around it."""

from __future__ import annotations

from pathlib import Path

from codetune_ui.core.config import Config


def tiny_config(model: Path, code: Path) -> Config:
    """Return settings of a run with steps of some 30 ms, long enough for all stories."""
    return Config(
        base_model=str(model),
        source=str(code),
        max_seq_len=128,
        max_steps=12_000,
        global_batch_rows=2,
        micro_batch_rows=2,
        lora_rank=2,
        learning_rate=1e-3,
        warmup_steps=1,
        eval_every=50,
        save_every=50,
        log_every=1,
        quant="none",
        compute_dtype="float32",
        gradient_checkpointing=False,
    )
