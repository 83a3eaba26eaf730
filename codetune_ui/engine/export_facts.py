"""What an export says of itself: counts, figures and versions, and nothing of the code's own."""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from codetune_ui import __version__
from codetune_ui.core.export import base_name
from codetune_ui.core.export_card import Facts, licence_of, scores_of, told_settings
from codetune_ui.core.families import find_format
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.export_work import Found, Work
from codetune_ui.runs.events import read_events
from codetune_ui.runs.exports import latest_evaluation
from codetune_ui.runs.store import Run

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "safetensors", "gguf")


def facts_of(work: Work, found: Found, scratch: Path) -> Facts:
    """Gather what the manifest and the README say."""
    config = work.run.config()
    format = find_format(CodeTokenizer.from_folder(work.folder), work.folder, config)
    result = work.run.result() or {}
    names = ("loss_first", "loss_last", "val_loss_first", "val_loss_last")
    base = base_name(work.settings)
    return Facts(
        run=work.run.name,
        format=work.request.format,
        quant=str(found.get("quant", "")),
        base_model=base,
        revision=config.revision,
        licence=licence_of(base, work.folder),
        family=format.family.label if format else "",
        order=format.family.orders[0] if format else "",
        settings=told_settings(config),
        data=_data(work.run),
        losses={name: result.get(name) for name in names},
        scores=scores_of(latest_evaluation(work.run)),
        versions={"codetune-ui": __version__} | {name: version(name) for name in LIBRARIES},
        files=tuple(sorted(path.name for path in scratch.iterdir())),
        check=found.get("check", {}),
        bases=found.get("bases", {}),
    )


def _data(run: Run) -> dict[str, Any]:
    """Return how much code it was, in numbers only."""
    events, _ = read_events(run.events_path)
    plan: dict[str, Any] = next((e for e in reversed(events) if e["kind"] == "plan"), {})
    found = {
        "files trained on": plan.get("train_documents"),
        "files held out": plan.get("val_documents"),
        "rows trained on": plan.get("train_rows"),
        "characters per token": plan.get("chars_per_token"),
        "share with a hole": plan.get("fim_rate_effective"),
        "languages of the files held out": _languages(run),
    }
    return {name: value for name, value in found.items() if value}


def _languages(run: Run) -> dict[str, int]:
    path = run.dataset_dir / "held_out.jsonl"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        return dict(Counter(json.loads(line)["language"] for line in file).most_common())
