"""A LoRA added to the weights it was trained beside: in 16 bit, never into 4-bit codes.

A merge into NF4 rounds a small adapter away. So it goes into 16-bit weights, of which there are two
kinds: the base's own, and those that the adapter saw in training, NF4 written out in full again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from codetune_ui.core.errors import ModelError
from codetune_ui.engine.hardware import quiet_bitsandbytes

Variant = Literal["dequantised", "16-bit"]
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}


@dataclass(frozen=True)
class Delta:
    """What an adapter adds to one weight (out, in): `scale` x B (out, rank) x A (rank, in)."""

    a: Tensor
    b: Tensor
    scale: float

    def __call__(self) -> Tensor:
        """Return (out, in) in float32."""
        return (self.b.float() @ self.a.float()) * self.scale


@dataclass(frozen=True)
class Merge:
    """An adapter and the base it is added to.

    deltas: by the name of the weight. four_bit: weights that were NF4 in training, to be written
    out in full; none for the base's own weights.
    """

    folder: Path
    deltas: Mapping[str, Delta]
    four_bit: frozenset[str] = field(default=frozenset())
    double_quant: bool = True

    @property
    def variant(self) -> Variant:
        """Which base it goes into."""
        return "dequantised" if self.four_bit else "16-bit"

    def base_weight(self, name: str, weight: Tensor) -> Tensor:
        """Return a weight of the base that is merged into, in its own number format."""
        return _through_nf4(weight, self.double_quant) if name in self.four_bit else weight

    def weight(self, name: str, weight: Tensor) -> Tensor:
        """Return a weight with the adapter added, in float32."""
        found = self.base_weight(name, weight.float()).float()
        return found + self.deltas[name]() if name in self.deltas else found

    def into(self, variant: Variant, model: nn.Module) -> Merge:
        """Return the same merge into the other kind of base."""
        names = linears(model) if variant == "dequantised" else frozenset()
        return replace(self, four_bit=names)


def _through_nf4(weight: Tensor, double_quant: bool) -> Tensor:
    """Return a weight as a training in 4 bit sees it: quantised, and written out again."""
    bitsandbytes = quiet_bitsandbytes()
    codes, state = bitsandbytes.functional.quantize_4bit(
        weight.contiguous(), blocksize=64, compress_statistics=double_quant, quant_type="nf4"
    )
    found: Tensor = bitsandbytes.functional.dequantize_4bit(codes, state)
    return found.reshape(weight.shape).to(weight.dtype)


def linears(model: Any) -> frozenset[str]:
    """Return the names of the weights that are held in 4 bit: all linear maps but the head."""
    head = model.get_output_embeddings()
    return frozenset(
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    )


# --- the adapter, as PEFT writes it

PART = re.compile(r"base_model\.model\.(?P<name>.+)\.lora_(?P<part>[AB])\.weight")


def read_deltas(folder: Path) -> dict[str, Delta]:
    """Read a plain LoRA; `ModelError` for a tensor that is none of its halves."""
    from safetensors.torch import load_file

    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    halves: dict[str, dict[str, Tensor]] = {}
    for label, tensor in load_file(folder / "adapter_model.safetensors").items():
        found = PART.fullmatch(label)
        if found is None:
            raise ModelError(
                f"The adapter trains more than linear maps ({label}).",
                "Export it with --format adapter.",
            )
        halves.setdefault(found["name"], {})[found["part"]] = tensor
    return {
        f"{name}.weight": Delta(pair["A"], pair["B"], _scale(settings, name, len(pair["A"])))
        for name, pair in halves.items()
    }


def _scale(settings: Mapping[str, Any], name: str, rank: int) -> float:
    """Return alpha / rank of one module, or alpha / sqrt(rank) with rsLoRA, as PEFT computes it."""
    alpha = float(settings["lora_alpha"])
    for pattern, own in (settings.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", name):
            alpha = float(own)
            break
    return alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)


# --- models

Make = Literal["base", "merged"]


def open_whole(folder: Path, *, own_code: bool = False) -> Any:
    """Load a model on the CPU, in the number format it is stored in.

    own_code: run the Python that it brings; `engine.model.runs_own_code` says whether to.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=own_code,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"The model in '{folder.name}' cannot be loaded: {first}",
            "Check that it is a complete causal language model in safetensors.",
        ) from error
    return model.requires_grad_(False).eval()


def check_fit(merge: Merge, model: Any) -> None:
    """Raise `ModelError` when an adapter belongs to another model."""
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    for name, delta in merge.deltas.items():
        if shapes.get(name) != (len(delta.b), delta.a.shape[1]):
            raise ModelError(
                f"The adapter does not fit this base model ({name}).",
                "Was the base model changed since the training?",
            )


@torch.no_grad()
def apply(merge: Merge, model: Any, make: Make, dtype: torch.dtype) -> Any:
    """Change a model of `open_whole` in place, and give it a number format.

    make: "merged" adds the adapter; "base" gives what it is added to, as the adapter saw it.
    """
    compute = merge.weight if make == "merged" else merge.base_weight
    model.to(torch.promote_types(dtype, next(model.parameters()).dtype))
    for name, parameter in model.named_parameters():
        if name in merge.deltas or name in merge.four_bit:
            changed = compute(name, parameter.detach())
            parameter.copy_(changed.to(dtype))
    model.to(dtype)
    if dtype == torch.float16:
        _check_finite(model)
    return model


def _check_finite(model: Any) -> None:
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise ModelError(f"The weight {name} is too large for f16.", "Choose --quant bf16.")


def stored_dtype(model: Any) -> torch.dtype:
    """Return the 16-bit format of a model's weights; bfloat16 where they are not in 16 bit."""
    found: torch.dtype = next(model.parameters()).dtype
    return found if found in (torch.bfloat16, torch.float16) else torch.bfloat16


def merged_weights(merge: Merge, model: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of a model of `open_whole` with the adapter added, in float32."""
    for name, tensor in model.named_parameters():  # a head that is the embedding comes once
        yield name, merge.weight(name, tensor.detach())
