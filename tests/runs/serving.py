"""A real completion server with the tiny model and a random adapter, for the tests around it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from codetune_ui.core.config import Config
from codetune_ui.runs.store import Home, Run


def add_trained_run(
    home: Home, model: Path, name: str, *, seed: int = 0, use_dora: bool = False, **settings: Any
) -> Run:
    """Make a run with a LoRA adapter of random weights, as a finished training leaves it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from codetune_ui.engine.model import quiet_peft

    run = home.create_run(Config(base_model=str(model), **settings), name)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with quiet_peft():
        how = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", use_dora=use_dora)
        tuned = get_peft_model(base, how)
    torch.manual_seed(seed)
    for label, weights in tuned.named_parameters():
        if "lora_" in label:
            torch.nn.init.normal_(weights, std=0.2)
    tuned.save_pretrained(run.adapter_dir)
    return run


def make_talkative(model: Path, folder: Path) -> Path:
    """Copy the tiny model so that it never ends by itself: what it cannot embed it cannot say."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, folder)
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["model.embed_tokens.weight"][:7] = 0
    save_file(weights, path, metadata={"format": "pt"})
    return folder


def hold_out(run: Run, files: dict[str, str]) -> None:
    """Give a run held-out files, path to text."""
    run.dataset_dir.mkdir(exist_ok=True)
    rows = [{"path": path, "language": "Python", "text": text} for path, text in files.items()]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (run.dataset_dir / "held_out.jsonl").write_text(lines, encoding="utf-8")
