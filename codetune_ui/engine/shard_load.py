"""A base loaded for several processes that divide it: it never lies whole on a card.

transformers maps its files into memory as they are; each layer in turn is packed to 4 bit on the
card, as it would be otherwise, and all but this process's part of it let go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError
from codetune_ui.core.models import ModelShape
from codetune_ui.core.plan import base_parts
from codetune_ui.engine import model
from codetune_ui.engine.hardware import quiet_bitsandbytes
from codetune_ui.engine.model import Precision
from codetune_ui.engine.pace import room_gib
from codetune_ui.engine.place import Place
from codetune_ui.engine.shard import SplitBase, find_layers
from codetune_ui.runs.files import read_json


def parts_of_base(place: Place, folder: Path) -> int:
    """Return over how many processes a run's base is split; all of them ask, and agree.

    folder: the base model's.
    """
    config, ranks = place.run.config(), place.ranks
    if ranks.size == 1:
        return 1
    config = config.replace(quant=place.precision.quant).on_processes(ranks.size)
    room = min(ranks.hear(room_gib(config))) if place.hardware.device == "cuda" else None
    shape = ModelShape.from_hf(read_json(folder / "config.json") or {})
    return ranks.tell(base_parts(config, shape, room))


def load_split_base(config: Config, folder: Path, place: Place) -> tuple[Any, SplitBase]:
    """Load a causal language model and divide its layers among the processes of a place.

    Returns a frozen `PreTrainedModel` on the device, and what gathers its layers. Raises
    `ModelError` when its files are unusable, or its layers cannot be divided.
    """
    device = torch.device("cuda:0" if place.hardware.device == "cuda" else "cpu")
    whole = config.replace(quant="none")
    base = model.load_base(whole, folder, device="cpu", training=True)
    around, layers = find_layers(base)
    _check(layers)
    split = SplitBase(place.ranks, device)
    packed = place.precision.quant == "nf4"
    divided: set[Any] = set()
    for layer in layers:
        if packed:
            _pack(base, layer, config, place.precision, device)
        split.take(layer)
        _tell_peft(layer, config)
        divided.update(layer.parameters())
    if packed:  # what is beside the layers, but for the head
        _pack(base, base, config, place.precision, device)
        base.is_loaded_in_4bit = True
    for tensor in {*base.parameters(), *base.buffers()} - divided:
        tensor.data = tensor.data.to(device)
    split.settle(around)
    # accelerate would refuse a packed model whose map says that it lies on the CPU
    vars(base).pop("hf_device_map", None)
    model.freeze(base, training=True)
    return base, split


def _tell_peft(layer: nn.Module, config: Config) -> None:
    """Say of each divided weight in 4 bit what PEFT asks it for."""
    for module in layer.modules():
        if hasattr(module, "quant_state"):
            weight: Any = module.weight
            weight.compress_statistics, weight.quant_type = config.double_quant, "nf4"


def _check(layers: nn.ModuleList) -> None:
    each = sum(len(list(layer.parameters())) for layer in layers)
    if each != len(list(layers.parameters())):
        raise ModelError(
            "The base model's layers share weights: they cannot be split over cards.",
            "Set split base to no.",
        )


def _pack(
    base: Any, among: nn.Module, config: Config, precision: Precision, device: torch.device
) -> None:
    """Put the linear layers of a module into NF4 on the device, those that transformers would."""
    bitsandbytes = quiet_bitsandbytes().nn
    from transformers.pytorch_utils import Conv1D

    head, kept = base.get_output_embeddings(), set(base._keep_in_fp32_modules or ())
    for name, old in list(among.named_modules()):
        if type(old) not in (nn.Linear, Conv1D) or old is head or kept & set(name.split(".")):
            continue
        weight = old.weight.data if type(old) is nn.Linear else old.weight.data.T
        with torch.device("meta"):  # its first weights would be drawn, and change what comes after
            new = bitsandbytes.Linear4bit(
                weight.shape[1],
                weight.shape[0],
                old.bias is not None,
                precision.dtype,
                compress_statistics=config.double_quant,
                quant_type="nf4",
                # FSDP2 divides floating point alone. And an adapter begins in the format of the
                # weight that it stands beside: in fp32 it keeps all digits that were drawn.
                quant_storage=torch.float32,
            )
        about = vars(new.weight)
        new.weight = bitsandbytes.Params4bit(weight, requires_grad=False, **about).to(device)
        new.bias = old.bias
        among.set_submodule(name, new)
