"""The base model, frozen and in 4 bit where that works, and the adapter on top of it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, ModelError
from codetune_ui.core.own_code import check_allowed, own_code
from codetune_ui.engine.hardware import (
    Device,
    Hardware,
    compute_dtype,
    find_hardware,
    has_flash_attention,
    quantise_refusal,
    quiet_bitsandbytes,
)
from codetune_ui.runs.files import read_json

__all__ = [
    "Precision",
    "attach_adapter",
    "checkpoint_activations",
    "choose_precision",
    "freeze",
    "load_base",
    "quiet_peft",
]


@dataclass(frozen=True)
class Precision:
    """How the base is held and computed here; `notes` say where that is not what was asked."""

    quant: str
    dtype: torch.dtype
    attention: str
    notes: tuple[str, ...] = ()


def choose_precision(config: Config, hardware: Hardware) -> Precision:
    """Fit the wanted quantisation, number format and attention to this machine."""
    dtype, note = compute_dtype(config.compute_dtype, hardware)
    notes = [note] if note else []
    quant = config.quant
    if quant == "nf4" and (refusal := quantise_refusal(hardware.device)):
        quant = "none"
        notes.append(f"No 4-bit quantisation: {refusal}")
    attention = _attention(config.attention, dtype, hardware.device)
    return Precision(quant, dtype, attention, tuple(notes))


def _attention(wanted: str, dtype: torch.dtype, device: Device) -> str:
    usable = device == "cuda" and has_flash_attention() and dtype != torch.float32
    if wanted == "auto":
        return "flash_attention_2" if usable else "sdpa"
    if wanted == "flash_attention_2" and not usable:
        raise MachineError(
            "flash-attn cannot be used here: it needs a GPU, its package and a 16-bit format.",
            "Set attention to auto.",
        )
    return wanted


def runs_own_code(config: Config, folder: Path) -> bool:
    """Say whether a model needs Python of its own, which was allowed.

    Raises `ModelError` when it was not. What transformers knows by itself needs none.
    """
    code = own_code(folder)
    if code is None:
        return False
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind = (read_json(folder / "config.json") or {}).get("model_type")
    if kind in CONFIG_MAPPING_NAMES:
        return False
    check_allowed(code, config.allow_code, config.base_model)
    return True


def load_base(config: Config, folder: Path, *, device: Device, training: bool) -> Any:
    """Load a causal language model from a folder and freeze it.

    Returns a `PreTrainedModel` on the device. Raises `ModelError` when its files are unusable.
    """
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    hardware = find_hardware()
    precision = choose_precision(config, hardware)
    own = runs_own_code(config, folder)
    try:
        settings = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=own)
        if training:
            _without_dropout(settings)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            config=settings,
            dtype=precision.dtype,
            attn_implementation=precision.attention,
            quantization_config=_four_bit(config, precision),
            device_map={"": device},
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=own,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ModelError(
            f"The base model '{config.base_model}' cannot be loaded: {_first_line(error)}",
            "Check that the folder holds a complete causal language model in safetensors.",
        ) from error
    freeze(model, training=training)
    return model


def _four_bit(config: Config, precision: Precision) -> Any:
    if precision.quant != "nf4":
        return None
    quiet_bitsandbytes()
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=config.double_quant,
        bnb_4bit_compute_dtype=precision.dtype,
    )


def _without_dropout(settings: Any) -> None:
    # The base is frozen: its dropouts cost time and memory and regularise nothing that is trained.
    for name, value in settings.to_dict().items():
        if re.search(r"pdrop|dropout", name) and isinstance(value, float):
            setattr(settings, name, 0.0)


def freeze(model: Any, *, training: bool) -> None:
    """Let no weight of a base be trained."""
    # By hand: prepare_model_for_kbit_training would also copy every 16-bit weight to fp32.
    model.requires_grad_(False)
    model.config.use_cache = not training
    model.train(training)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # bitsandbytes 0.50 repacks a Linear4bit on the CPU when it runs without grad, and from
            # then on drops the gradient through it without a word: one evaluation ruins a run.
            module.support_avx512bf16_for_cpu = False


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Hide that PEFT 0.21 asks transformers 5 for an attribute by its old name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        yield


def checkpoint_activations(model: Any) -> None:
    """Let autograd compute activations twice; after PEFT, which would send gradients further."""
    # Not re-entrant, so that no gradient has to flow into the frozen embeddings.
    once = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=once)
    else:  # the older name, in early releases of transformers 5
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=once)


def attach_adapter(model: Any, config: Config) -> Any:
    """Put a fresh LoRA adapter with fp32 weights on a base and return the `PeftModel`.

    Raises `ModelError` when the named targets are not in the model.
    """
    from peft import LoraConfig, get_peft_model

    targets = config.lora_target_modules
    if isinstance(targets, list):
        targets = _present(targets, model)
    adapter = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=targets,
        bias="none",
        task_type="CAUSAL_LM",
    )
    with quiet_peft():
        tuned = get_peft_model(model, adapter)
    named = tuned.peft_config["default"]
    named.base_model_name_or_path = config.base_model  # as the person gave it, not a cache folder
    named.revision = config.revision or None
    return tuned


def _present(targets: list[str], model: Any) -> list[str]:
    """Return the named targets that the model has; the guide names one that only some have."""
    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
    }
    found = [name for name in targets if name in linear]
    if not found:
        raise ModelError(
            f"The model has no layer named {' or '.join(targets)}.",
            f"Set LoRA targets to all-linear, or choose from: {', '.join(sorted(linear))}.",
        )
    return found


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
