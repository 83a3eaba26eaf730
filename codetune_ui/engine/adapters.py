"""One resident base model, and its adapters switched on and off per request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codetune_ui.core.errors import ModelError
from codetune_ui.engine.hardware import GIB
from codetune_ui.engine.model import quiet_peft

WEIGHTS = "adapter_model.safetensors"
FOLDING = "folding"  # PEFT's name for an adapter that is only passing through
FOLD_GIB = 1.0  # a base up to this size may have its layers twice in memory

Folded = dict[Any, Tensor]  # a layer of the base, and its weight with the adapter added


class Adapters:
    """The adapters of one base by name; loaded anew when their file has changed.

    A small model on a CPU spends its time on starting operations, and PEFT triples their number:
    there each adapter is added once to a copy of the weights, and a switch swaps pointers, so that
    base and adapter answer equally fast and the base stays as it was to the last bit. Elsewhere
    PEFT computes the adapter beside the frozen weights, which may be in 4 bit.
    """

    def __init__(self, base: Any) -> None:
        self.base = base
        self.folds = base.device.type == "cpu" and _size_gib(base) <= FOLD_GIB
        self._stamps: dict[str, int] = {}
        self._folded: dict[str, Folded] = {}
        self._tuned: Any = None  # the PeftModel around the base, once there is an adapter
        if self.folds:
            for layer in base.modules():
                if isinstance(layer, nn.Linear):
                    layer.weight.data = _by_column(layer.weight.data)

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter, unless it is here already. Raises `ModelError` when it does not fit."""
        path = folder / WEIGHTS
        if not path.is_file():  # PEFT would go on to look for a pickle
            raise ModelError(f"'{name}' has no adapter yet.", "Train it first.")
        stamp = path.stat().st_mtime_ns
        if self._stamps.get(name) == stamp:
            return
        try:
            if self.folds:
                self._fold(name, folder)
            else:
                self._attach(name, folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(
                f"The adapter of '{name}' does not fit this base model.",
                "Serve the base it was trained on.",
            ) from error
        self._stamps[name] = stamp

    @contextmanager
    def active(self, name: str | None) -> Iterator[Any]:
        """Give the model with one adapter switched on, or the bare base for None."""
        if self.folds:
            with _swapped(self._folded[name] if name else {}):
                yield self.base
        elif self._tuned is None:
            yield self.base
        elif name is None:
            with self._tuned.disable_adapter():
                yield self._tuned
        else:
            self._tuned.set_adapter(_label(name))
            yield self._tuned

    def _attach(self, name: str, folder: Path) -> None:
        if self._tuned is None:
            self._tuned = _around(self.base, folder, _label(name))
        else:
            if name in self._stamps:
                self._tuned.delete_adapter(_label(name))
            self._tuned.load_adapter(folder, adapter_name=_label(name))
        self._tuned.eval()

    def _fold(self, name: str, folder: Path) -> None:
        from peft.tuners.lora import LoraLayer

        tuned = _around(self.base, folder, FOLDING)
        try:
            self._folded[name] = {
                layer.get_base_layer(): _with_delta(layer)
                for layer in tuned.modules()
                if isinstance(layer, LoraLayer)
            }
        finally:
            tuned.unload()


def _around(base: Any, folder: Path, label: str) -> Any:
    from peft import PeftModel

    with quiet_peft():
        return PeftModel.from_pretrained(base, folder, adapter_name=label)


@torch.inference_mode()
def _with_delta(layer: Any) -> Tensor:
    weight: Tensor = layer.get_base_layer().weight.data
    return _by_column(weight + layer.get_delta_weight(FOLDING).to(weight.dtype))


@contextmanager
def _swapped(folded: Folded) -> Iterator[None]:
    plain = {layer: layer.weight.data for layer in folded}
    try:
        for layer, weight in folded.items():
            layer.weight.data = weight
        yield
    finally:
        for layer, weight in plain.items():
            layer.weight.data = weight


def _by_column(weight: Tensor) -> Tensor:
    # One token is one matrix-vector product per layer, and those run a tenth faster over columns.
    return weight.t().contiguous().t() if weight.dtype == torch.float32 else weight


def _label(name: str) -> str:
    return name.replace(".", "·")  # torch allows no dot in a module's name


def _size_gib(model: Any) -> float:
    return float(sum(p.numel() * p.element_size() for p in model.parameters())) / GIB
