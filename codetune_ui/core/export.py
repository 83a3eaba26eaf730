"""What a person asks of an export, and what an export says of itself: plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from codetune_ui.core.errors import ConfigError, ModelError

Format = Literal["adapter", "merged", "gguf", "gguf-adapter", "ollama"]
FORMATS: tuple[Format, ...] = get_args(Format)
MANIFEST = "codetune_export.json"
"""The file in an export that makes it one of ours: figures, and every other file's SHA-256."""

QUANTS: dict[Format, tuple[str, ...]] = {
    "adapter": (),
    "merged": ("bf16", "f16", "f32"),  # the base's own where nothing is said
    "gguf": ("q8_0", "f16", "bf16", "f32", "q5_1", "q5_0", "q4_1", "q4_0"),
    "gguf-adapter": ("f16", "f32"),
    "ollama": ("q8_0", "f16", "bf16", "f32", "q5_1", "q5_0", "q4_1", "q4_0"),
}
"""Number formats of each kind of export; the first is taken where nobody chose."""

HUB = "hub:"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asks for: which run, as what, where to.

    to: a folder, or hub:OWNER/NAME. quant: a number format, empty for the usual one.
    accepted: go on although the adapter is not shown to be better. public: of a Hub repository.
    """

    run: str
    format: Format
    to: str
    quant: str = ""
    overwrite: bool = False
    accepted: bool = False
    public: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(
                f"There is no export format '{self.format}'.",
                f"Choose one of: {', '.join(FORMATS)}.",
                field="format",
            )
        if self.quant and self.quant not in QUANTS[self.format]:
            raise ConfigError(*_no_quant(self.format, self.quant), field="quant")
        if self.to.startswith(HUB) and not HUB_NAME.fullmatch(self.to.removeprefix(HUB)):
            raise ConfigError(
                f"'{self.to}' names no Hub repository.", "Write hub:OWNER/NAME.", field="to"
            )

    @property
    def repository(self) -> str:
        """OWNER/NAME on the Hub, empty when it goes to a folder."""
        return self.to.removeprefix(HUB) if self.to.startswith(HUB) else ""

    @property
    def number_format(self) -> str:
        """The number format of the weights; empty for the one that the base has."""
        if self.quant or self.format in ("adapter", "merged"):
            return self.quant
        return QUANTS[self.format][0]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Request:
        """Read what `to_dict` wrote."""
        return cls(**values)


def _no_quant(format: Format, quant: str) -> tuple[str, str]:
    offered = QUANTS[format]
    way = f"Choose one of: {', '.join(offered)}." if offered else "Leave --quant away."
    return f"The format {format} has no number format '{quant}'.", way


# --- is it good enough to be given away?


def question(run: str, evaluation: Mapping[str, Any] | None, *, outdated: bool = False) -> str:
    """Return what is to be asked before an adapter is exported, with figures; empty for nothing.

    evaluation: the latest one of the run. outdated: the adapter is newer than it.

    >>> question("calm-otter", None)
    "'calm-otter' has not been evaluated: nobody knows whether it is better than its base."
    """
    if evaluation is None:
        return f"'{run}' has not been evaluated: nobody knows whether it is better than its base."
    if outdated:
        return f"The latest evaluation of '{run}' is older than its adapter."
    if evaluation.get("verdict") != "worse":
        return ""
    return f"The adapter of '{run}' is worse than its base: {_figures(evaluation)}."


def _figures(evaluation: Mapping[str, Any]) -> str:
    base, adapter = evaluation.get("base") or {}, evaluation.get("adapter") or {}
    told = [
        f"{name.replace('_', ' ')} {adapter[name]:.3f} against {base[name]:.3f}"
        for name in ("exact_match", "edit_similarity", "middle_nll_per_char")
        if adapter.get(name) is not None and base.get(name) is not None
    ]
    return f"{', '.join(told)}, on {evaluation.get('holes', 0)} holes"


# --- the adapter as PEFT wrote it


def check_plain_lora(settings: Mapping[str, Any]) -> None:
    """Raise `ModelError` for an adapter that cannot be added to weights as B x A times a number.

    settings: its `adapter_config.json`.
    """
    trained_too = settings.get("modules_to_save") or settings.get("trainable_token_indices")
    what = (
        "no LoRA"
        if settings.get("peft_type") != "LORA"
        else "a DoRA"
        if settings.get("use_dora")
        else "a LoRA with biases"
        if settings.get("bias", "none") != "none" or settings.get("lora_bias")
        else "a LoRA that also trains whole layers"
        if trained_too or settings.get("target_parameters")
        else "a LoRA of transposed weights"
        if settings.get("fan_in_fan_out")
        else ""
    )
    if what:
        raise ModelError(
            f"This adapter is {what}, which cannot be merged or converted.",
            "Export it with --format adapter.",
        )


def base_name(settings: Mapping[str, Any]) -> str:
    r"""Return the base's name as others may see it: a Hub id, or a folder's last part.

    >>> base_name({"base_model_name_or_path": "/home/ann/models/coder-1b"})
    'coder-1b'
    """
    given = str(settings.get("base_model_name_or_path") or "")
    if HUB_NAME.fullmatch(given) and not given.startswith("."):
        return given
    return re.split(r"[/\\]", given.rstrip("/\\"))[-1]


def portable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return an `adapter_config.json` that names no folder of this machine."""
    return {**settings, "base_model_name_or_path": base_name(settings)}
