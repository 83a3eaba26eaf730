"""The README of an export: what it is, whose it is, how it was made, and how good it is.

No path, no file's name, no repository's address and no line of the code stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from codetune_ui.core.config import Config
from codetune_ui.core.models import known_model

TOLD = (  # settings that say how it was made, and nothing about whose code it was
    *("fim_rate", "spm_rate", "span", "repo_context", "loss_on", "secrets", "near_duplicates"),
    *("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "quant", "double_quant"),
    *("compute_dtype", "max_seq_len", "max_steps", "global_batch_rows", "learning_rate"),
    *("lr_scheduler", "warmup_steps", "weight_decay", "seed"),
)
LICENCE_LINE = re.compile(r"^license(?:_name)?:\s*[\"']?([\w.+-]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an export says of itself. `data` counts, `scores` is the latest evaluation's."""

    run: str
    format: str
    quant: str
    base_model: str
    revision: str
    licence: str
    family: str
    order: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    losses: Mapping[str, Any]
    scores: Mapping[str, Any] | None
    versions: Mapping[str, str]
    files: tuple[str, ...] = ()
    check: Mapping[str, Any] = field(default_factory=dict)
    bases: Mapping[str, Any] = field(default_factory=dict)

    def about(self) -> dict[str, Any]:
        """Return the fields of the manifest."""
        left = {"files", "check", "bases"}
        return {name: value for name, value in asdict(self).items() if name not in left}


def told_settings(config: Config) -> dict[str, Any]:
    """Return the settings that may be told."""
    every = config.to_dict()
    return {name: every[name] for name in TOLD if name in every}


def licence_of(base_model: str, folder: Path) -> str:
    """Return the licence of a base as it is known or as its own card says; empty when unknown."""
    if known := known_model(base_model):
        return known.licence
    card_path = folder / "README.md"
    if card_path.is_file():
        head = card_path.read_text(encoding="utf-8", errors="replace")[:4000]
        if head.startswith("---") and (found := LICENCE_LINE.search(head)):
            return found[1]
    return ""


def scores_of(evaluation: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what may be told of an evaluation: figures and its sentence, no hole."""
    if evaluation is None:
        return None
    told = ("created", "holes", "verdict", "sentence", "base", "adapter", "difference")
    return {name: evaluation[name] for name in told if name in evaluation}


def card(facts: Facts) -> str:
    """Return the whole README."""
    parts = [
        _front(facts),
        f"# {facts.run}",
        _what(facts),
        _warning(),
        "## How to use it",
        _use(facts),
        "## The base model",
        _base(facts),
        "## The code it was trained on",
        _table(facts.data),
        "## Scores",
        _scores(facts.scores),
        "## Checked",
        _checked(facts),
        "## Settings",
        _table(facts.settings),
        "## Versions",
        _table(facts.versions),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(facts: Facts) -> str:
    lines = ["---", f"base_model: {facts.base_model}", "tags:", "- code", "- fill-in-the-middle"]
    if facts.format in ("adapter", "gguf-adapter"):
        lines += ["- lora", "base_model_relation: adapter"]
    if facts.format == "adapter":
        lines.append("library_name: peft")
    licence = facts.licence.lower()
    known = licence if re.fullmatch(r"(apache-2\.0|mit|bsd-3-clause|llama2)", licence) else "other"
    return "\n".join([*lines, f"license: {known}", "pipeline_tag: text-generation", "---"])


def _what(facts: Facts) -> str:
    kinds = {
        "adapter": "A LoRA adapter",
        "merged": "A model with a LoRA adapter merged into its weights",
        "gguf": "A model with a LoRA adapter merged into its weights, as GGUF",
        "gguf-adapter": "A LoRA adapter as GGUF",
        "ollama": "A model with a LoRA adapter merged into its weights, for Ollama",
    }
    number = f", in {facts.quant}" if facts.quant else ""
    return (
        f"{kinds[facts.format]}{number}. It fills holes in code (fill in the middle) and was "
        f"trained on private code with CodeTune UI."
    )


def _warning() -> str:
    return (
        "**Treat it as confidential.** It may repeat pieces of the code it was trained on. "
        "It writes code that nobody has checked."
    )


def _use(facts: Facts) -> str:
    gguf = next((name for name in facts.files if name.endswith(".gguf")), "")
    spm = facts.order == "spm_v1"
    server = f"llama-server -m {gguf} --port 8012{' --spm-infill' if spm else ''}"
    ways = {
        "adapter": "```python\nfrom peft import PeftModel\nfrom transformers import "
        f"AutoModelForCausalLM\n\nbase = AutoModelForCausalLM.from_pretrained("
        f'"{facts.base_model}")\nmodel = PeftModel.from_pretrained(base, "this folder")\n```',
        "merged": "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'model = AutoModelForCausalLM.from_pretrained("this folder")\n'
        'tokenizer = AutoTokenizer.from_pretrained("this folder")\n```',
        "gguf": f"```\n{server}\n```",
        "gguf-adapter": "The base model is needed as GGUF too.\n\n```\nllama-server -m base.gguf "
        f"--lora {gguf} --port 8012{' --spm-infill' if spm else ''}\n```",
        "ollama": f"```\nollama create {facts.run.lower()} -f Modelfile\n```",
    }
    order = f"It reads a hole in the format of {facts.family}, order {facts.order.upper()}."
    if facts.order == "spm_v2" and "gguf" in facts.format:
        order += " llama.cpp's /infill sends PSM; this base reads that too, but less well."
    return f"{ways[facts.format]}\n\n{order if facts.family else 'It reads left to right only.'}"


def _base(facts: Facts) -> str:
    revision = f", revision {facts.revision}" if facts.revision else ""
    licence = facts.licence or "not known here; see its own page"
    return (
        f"{facts.base_model}{revision}. Licence: {licence}. What is derived from it, this "
        "included, is bound by it."
    )


def _scores(scores: Mapping[str, Any] | None) -> str:
    if scores is None:
        return "It was not evaluated."
    lines = [str(scores.get("sentence", "")), "", "| | base | adapter |", "|---|---|---|"]
    base, adapter = scores.get("base") or {}, scores.get("adapter") or {}
    for name, value in adapter.items():
        if isinstance(value, (int, float)) and isinstance(base.get(name), (int, float)):
            lines.append(f"| {name.replace('_', ' ')} | {base[name]:.3f} | {value:.3f} |")
    return "\n".join([*lines, "", f"On {scores.get('holes', 0)} holes in held-out code."])


def _checked(facts: Facts) -> str:
    lines = [str(facts.check.get("sentence", ""))]
    losses = facts.bases.get("held_out_loss") or {}
    if losses:
        told = ", ".join(
            f"{name} base {'not measured' if loss is None else f'{loss:.4f}'}"
            for name, loss in losses.items()
        )
        lines.append(f"Held-out loss merged into the {told}; kept: {facts.bases['kept']}.")
    return "\n\n".join(line for line in lines if line)


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"| {name.replace('_', ' ')} | {_plain(value)} |" for name, value in values.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return "–" if value is None else str(value).replace("|", "\\|")
