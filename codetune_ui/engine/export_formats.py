"""The kinds of export: each writes its files, opens them again, and says how they answer."""

from __future__ import annotations

import gc
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from codetune_ui.core.errors import ModelError
from codetune_ui.core.export import portable
from codetune_ui.core.export_ollama import modelfile
from codetune_ui.core.families import find_format
from codetune_ui.core.gguf_shapes import GgufShape
from codetune_ui.core.gguf_tokens import GgufTokens
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine import export_check as checks
from codetune_ui.engine import export_gguf as gguf_file
from codetune_ui.engine.export_merge import (
    DTYPES,
    Merge,
    Variant,
    apply,
    check_fit,
    merged_weights,
    open_whole,
    read_deltas,
    stored_dtype,
)
from codetune_ui.engine.export_work import TOKENIZER, Found, Work
from codetune_ui.engine.hardware import find_hardware, quantise_refusal, set_threads
from codetune_ui.engine.model import runs_own_code
from codetune_ui.runs.events import read_events

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
SHARD = "4GB"
CONTEXT = 4096  # tokens that Ollama keeps room for; more takes memory from the first answer on


# --- the adapter


def adapter(work: Work, scratch: Path) -> Found:
    """Copy the adapter, with a base that is named but is no folder of this machine."""
    shutil.copyfile(work.run.adapter_dir / WEIGHTS, scratch / WEIGHTS)
    text = json.dumps(portable(work.settings), indent=2)
    (scratch / SETTINGS).write_text(text + "\n", encoding="utf-8")
    probe = _probe(work)
    work.reporter.phase("Opening the adapter again")
    own = runs_own_code(work.run.config(), work.folder)
    theirs, ours = (
        checks.look(_computing(open_whole(work.folder, own_code=own)), probe, adapter)
        for adapter in (work.run.adapter_dir, scratch)
    )
    return {"check": _judged(checks.compare(ours, theirs), strict=True)}


# --- merged weights


def merged(work: Work, scratch: Path) -> Found:
    """Write the base with the adapter added, as transformers reads it."""
    probe = _probe(work)
    merge, bases = _better_base(work, probe)
    # --- write
    work.reporter.phase("Writing the merged model")
    model = open_whole(work.folder)
    dtype = DTYPES[work.request.quant] if work.request.quant else stored_dtype(model)
    apply(merge, model, "merged", dtype)
    model.save_pretrained(scratch, max_shard_size=SHARD)
    del model
    gc.collect()
    _copy_settings(work.folder, scratch, dtype)
    # --- open again
    work.reporter.phase("Opening the merged model again")
    theirs = _look_at_adapter(work, merge, probe)
    ours = checks.look(_computing(open_whole(scratch)), probe)
    return {
        "quant": {v: k for k, v in DTYPES.items()}[dtype],
        "bases": bases,
        "check": _judged(checks.compare(ours, theirs, beside=merge.variant)),
    }


def _copy_settings(folder: Path, scratch: Path, dtype: torch.dtype) -> None:
    """Take the base's own settings and tokenizer as they are; only the number format may change."""
    for name in (*TOKENIZER, "generation_config.json"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, scratch / name)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    word = str(dtype).removeprefix("torch.")
    name = "torch_dtype" if "torch_dtype" in settings else "dtype"
    if settings.get(name) == word:
        shutil.copyfile(folder / "config.json", scratch / "config.json")
        return
    text = json.dumps({**settings, name: word}, indent=2, ensure_ascii=False)
    (scratch / "config.json").write_text(text + "\n", encoding="utf-8")


def _better_base(work: Work, probe: checks.Probe) -> tuple[Merge, Found]:
    """Merge into each kind of base, measure, and return the better one with the figures."""
    deltas = read_deltas(work.run.adapter_dir)
    merge = Merge(work.folder, deltas, double_quant=work.run.config().double_quant)
    merges: dict[Variant, Merge] = {}
    losses: dict[Variant, float | None] = {}
    for variant in _variants(work):
        work.reporter.phase(f"Measuring the merge into the {variant} base")
        model = open_whole(work.folder)
        check_fit(merge, model)
        merges[variant] = merge.into(variant, model)
        model = _computing(apply(merges[variant], model, "merged", stored_dtype(model)))
        losses[variant] = checks.held_out_loss(model, probe)
        del model
        gc.collect()
    kept = min(losses, key=lambda variant: losses[variant] or 0.0)  # without rows: the first
    told = {name: None if loss is None else round(loss, 5) for name, loss in losses.items()}
    tokens = sum(int((row.labels != IGNORE_INDEX).sum()) for row in probe.rows)
    figures = ", ".join(f"{name} {loss}" for name, loss in told.items())
    work.reporter.log(f"Held-out loss of the merge on {tokens:,} tokens: {figures}.")
    found = {"held_out_loss": told, "rows": len(probe.rows), "tokens": tokens, "kept": kept}
    return merges[kept], found


def _variants(work: Work) -> list[Variant]:
    """Return the bases there are: that of a training in 4 bit comes first."""
    events, _ = read_events(work.run.events_path)
    plans = [event["quant"] for event in events if event["kind"] == "plan"]
    trained_in = plans[-1] if plans else work.run.config().quant
    if trained_in != "nf4":
        return ["16-bit"]
    if refusal := quantise_refusal("cpu"):
        work.reporter.log(f"Only the 16-bit base was measured. {refusal}", "warning")
        return ["16-bit"]
    return ["dequantised", "16-bit"]


# --- GGUF


def gguf_model(work: Work, scratch: Path, shape: GgufShape, tokens: GgufTokens) -> Found:
    """Write the merged model as one GGUF file."""
    probe = _probe(work)
    merge, bases = _better_base(work, probe)
    quant = work.request.number_format
    path = scratch / f"{work.run.name}-{quant}.gguf"
    # --- write
    work.reporter.phase("Writing the GGUF file")
    model = open_whole(work.folder)
    sizes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    weights = ((name, weight.numpy()) for name, weight in merged_weights(merge, model))
    gguf_file.write_model(
        path,
        shape,
        tokens,
        _about(work),
        sizes,
        weights,
        quant,
        lambda done, total: work.tell(done, total, "weights written"),
    )
    # --- open again
    work.reporter.phase("Opening the GGUF file again")
    _check_keys(gguf_file.read_keys(path), shape, tokens)
    _fill(model, gguf_file.read_weights(path, shape, sizes))
    ours = checks.look(_computing(model), probe)
    del model
    theirs = _look_at_adapter(work, merge, probe)
    check = checks.compare(ours, theirs, beside=merge.variant)
    rough = quant.startswith(("q4", "q5"))
    return {"quant": quant, "bases": bases, "check": _judged(check, rough=rough)}


@torch.no_grad()
def _fill(model: Any, weights: gguf_file.Weights) -> None:
    """Put weights read from a file into a model: what it answers then is the file's answer."""
    model.float()
    parameters = dict(model.named_parameters())
    for name, values in weights:
        parameters[name].copy_(torch.from_numpy(values))


def _check_keys(found: dict[str, Any], shape: GgufShape, tokens: GgufTokens) -> None:
    """Raise `ModelError` unless the keys in a file are those that were to be written."""
    ids = {f"tokenizer.ggml.{name}_token_id": value for name, value in tokens.ids.items()}
    wanted = {**shape.keys(), **ids, "tokenizer.ggml.pre": tokens.cut}
    odd = [key for key, value in wanted.items() if not _equal(found.get(key), value)]
    lists = {"tokens": tokens.tokens, "merges": tokens.merges, "token_type": tokens.types}
    odd += [name for name, value in lists.items() if found[f"tokenizer.ggml.{name}"] != list(value)]
    if odd:
        raise ModelError(f"The GGUF file does not say what was written ({odd[0]}).", "Try again.")


def _equal(found: Any, written: Any) -> bool:
    if isinstance(written, float):  # in the file it has 32 bits
        return found is not None and math.isclose(found, written, rel_tol=1e-6)
    return bool(found == written)


def gguf_adapter(work: Work, scratch: Path, shape: GgufShape) -> Found:
    """Write the adapter as GGUF, to be loaded beside a GGUF of the base."""
    deltas = read_deltas(work.run.adapter_dir)
    quant = work.request.number_format
    path = scratch / f"{work.run.name}-lora-{quant}.gguf"
    work.reporter.phase("Writing the adapter as GGUF")
    gguf_file.write_adapter(path, shape, _about(work), deltas, quant)
    work.reporter.phase("Opening it again")
    probe = _probe(work)
    model = open_whole(work.folder)
    check_fit(Merge(work.folder, deltas), model)
    _add(model, gguf_file.read_deltas_back(path, shape, deltas))
    ours = checks.look(_computing(model, exact=True), probe)
    theirs = _look_at_adapter(work, Merge(work.folder, deltas), probe)
    return {"quant": quant, "check": _judged(checks.compare(ours, theirs))}


@torch.no_grad()
def _add(model: Any, deltas: Iterator[tuple[str, NDArray[np.float32]]]) -> None:
    model.float()
    parameters = dict(model.named_parameters())
    for name, values in deltas:
        parameters[name].add_(torch.from_numpy(values))


def add_modelfile(work: Work, scratch: Path, shape: GgufShape) -> None:
    """Write the Modelfile that goes with a GGUF file, in the order the model reads holes in."""
    tokenizer = CodeTokenizer.from_folder(work.folder)
    format = find_format(tokenizer, work.folder, work.run.config())
    name = next(scratch.glob("*.gguf")).name
    text = modelfile(name, format, tokenizer, min(shape.shape.context, CONTEXT))
    (scratch / "Modelfile").write_text(text, encoding="utf-8", newline="\n")


def _about(work: Work) -> dict[str, Any]:
    """Return what a GGUF file says of where it comes from."""
    base = portable(work.settings)["base_model_name_or_path"]
    found: dict[str, Any] = {"general.name": f"codetune-{work.run.name}"}
    found["general.description"] = "Fine-tuned on private code with CodeTune UI; confidential."
    return found | {"general.base_model.count": 1, "general.base_model.0.name": base}


# --- what several have in common


def _probe(work: Work) -> checks.Probe:
    set_threads()
    return checks.probe_of(work.run, work.folder, find_hardware().device, work.stop.check)


def _computing(model: Any, *, exact: bool = False) -> Any:
    """Return a model where, and in the format in which, this machine computes it well."""
    device = find_hardware().device
    return model.to(device) if device == "cuda" and not exact else model.float().to(device)


def _look_at_adapter(work: Work, merge: Merge, probe: checks.Probe) -> checks.Look:
    """Ask the base that was merged into, with the adapter beside its weights."""
    model = open_whole(work.folder)
    dtype = stored_dtype(model) if find_hardware().device == "cuda" else torch.float32
    model = _computing(apply(merge, model, "base", dtype))
    return checks.look(model, probe, work.run.adapter_dir)


def _judged(check: Found, *, strict: bool = False, rough: bool = False) -> Found:
    """Return a comparison with its sentence; `ModelError` when the export is another model.

    strict: nothing was rounded, so nothing may differ. rough: 4 or 5 bit; it is told, not judged.
    """
    said = checks.sentence(check)
    if (check["answers"] == "different" and not rough) or (strict and check["answers"] == "alike"):
        raise ModelError(
            f"The export does not answer as the adapter does. {said}",
            "Choose a finer number format with --quant.",
        )
    return {**check, "sentence": said}
