"""One resident base model, and its adapters switched on and off per request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codetune_ui.core.errors import ModelError
from codetune_ui.engine.fused.build import UnfitError
from codetune_ui.engine.fused.decode import Decoder
from codetune_ui.engine.fused.inference import Lora, Loras
from codetune_ui.engine.hardware import GIB
from codetune_ui.engine.model import quiet_peft

WEIGHTS = "adapter_model.safetensors"
PASSING = "passing"  # PEFT's name for an adapter that is only passing through


class Adapters:
    """The adapters of one base by name; loaded anew when their file has changed.

    The decoder keeps them beside the base's weights. An adapter that it does not know, as one with
    DoRA, ends its use: from then on all are PEFT's own.
    """

    def __init__(self, base: Any, decoder: Decoder | None = None) -> None:
        self.base = base
        self.decoder = decoder
        self._stamps: dict[str, int] = {}
        self._tuned: Any = None  # the PeftModel around the base, once PEFT has an adapter

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter, unless it is here already. Raises `ModelError` when it does not fit."""
        path = folder / WEIGHTS
        if not path.is_file():  # PEFT would go on to look for a pickle
            raise ModelError(f"'{name}' has no adapter yet.", "Train it first.")
        stamp = path.stat().st_mtime_ns
        if self._stamps.get(name) == stamp:
            return
        try:
            if not self._decoder_takes(name, folder):
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
        if self._tuned is None:
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

    def _decoder_takes(self, name: str, folder: Path) -> bool:
        if self.decoder is None:
            return False
        try:
            self.decoder.add(name, _read(self.base, folder))
        except UnfitError:
            self.decoder = None
            self._stamps.clear()
            return False
        return True


def _read(base: Any, folder: Path) -> Loras:
    """Read an adapter by PEFT's own rules; the base is as it was afterwards."""
    from peft.tuners.lora import LoraLayer

    tuned = _around(base, folder, PASSING)
    try:
        config = tuned.peft_config[PASSING]
        if config.bias != "none" or config.modules_to_save:
            raise UnfitError("it also trains what is no adapter")
        layers = [layer for layer in tuned.modules() if isinstance(layer, LoraLayer)]
        return {id(layer.get_base_layer().weight): _lora(layer) for layer in layers}
    finally:
        tuned.unload()


def _lora(layer: Any) -> Lora:
    if PASSING not in layer.lora_A or layer.lora_variant or layer.lora_bias.get(PASSING):
        raise UnfitError("it is not a plain LoRA")
    a, b = layer.lora_A[PASSING].weight.detach(), layer.lora_B[PASSING].weight.detach()
    return Lora(a, b * layer.scaling[PASSING])


def _around(base: Any, folder: Path, label: str) -> Any:
    from peft import PeftModel

    with quiet_peft():
        return PeftModel.from_pretrained(base, folder, adapter_name=label)


def _label(name: str) -> str:
    return name.replace(".", "·")  # torch allows no dot in a module's name


def size_gib(model: Any) -> float:
    """Return how much memory a model's weights take."""
    return float(sum(p.numel() * p.element_size() for p in model.parameters())) / GIB
