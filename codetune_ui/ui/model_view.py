"""What the Model & Data tab says about a base model: facts, and whether it can be trained here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from codetune_ui.core.assets import DEMO_MODEL
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.families import FAMILIES, find_format
from codetune_ui.core.memory import MemoryEstimate, estimate_memory
from codetune_ui.core.models import KnownModel, ModelShape, known_model
from codetune_ui.core.own_code import OwnCode, own_code
from codetune_ui.core.plan import base_parts, planned_way
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.runs.cards import Card
from codetune_ui.runs.files import read_json
from codetune_ui.ui import words
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.machine import CONTEXT_GIB

DEMO_LICENCE = "Apache-2.0"
MOST_CODE = 400_000  # characters of a model's own file that are shown


@dataclass(frozen=True)
class Check:
    """One line of the card. kind: "ok", "bad" or "" for what is not known yet."""

    kind: str
    text: str
    chips: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """Everything the card says about a model; empty facts are left out."""

    parameters: str
    context: str
    licence: str
    disk: str
    checks: tuple[Check, ...]
    code: tuple[tuple[str, str], ...] = ()  # names and texts of the Python that it brings


def look(config: Config, gpu: Card | None, memory_gib: float) -> ModelView:
    """Look at a base model as far as it is known without the network.

    gpu, memory_gib: what the machine has.
    """
    known, folder = known_model(config.base_model), find_folder(config)
    shape = _shape(folder) or (known.shape if known else None)
    code = own_code(folder) if folder else None
    return ModelView(
        parameters=_count(shape.parameters) if shape else known.parameters if known else "",
        context=f"{shape.context:,}" if shape else f"{known.context:,}" if known else "",
        licence=_licence(config, known),
        disk=_disk(folder, known),
        checks=(
            _format_check(config, folder, known),
            _memory_check(config, shape, gpu, memory_gib),
            *_gate(known, folder),
            *_code_check(config, code),
        ),
        code=_texts(code),
    )


def find_folder(config: Config) -> Path | None:
    """Return the model's folder on this machine: the demo, a path, or the Hub's cache."""
    if config.base_model == DEMO:
        return DEMO_MODEL
    try:
        folder = Path(config.base_model).expanduser()
        if config.base_model and folder.is_dir():
            return folder
    except (OSError, RuntimeError):  # too long for a path, or ~nobody
        return None
    return _cached(config.base_model, config.revision)


def _cached(name: str, revision: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision or None)
    except (HFValidationError, OSError, ValueError):
        return None  # a path that is not there, or half a name
    return Path(found).parent if isinstance(found, str) else None


def _shape(folder: Path | None) -> ModelShape | None:
    values = read_json(folder / "config.json") if folder else None
    try:
        return ModelShape.from_hf(values) if values else None
    except CodeTuneError:
        return None


def _count(parameters: float) -> str:
    """Return a number of parameters as one says it.

    >>> _count(17_400_000), _count(1_540_000_000)
    ('17.4 M', '1.54 B')
    """
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"


def _licence(config: Config, known: KnownModel | None) -> str:
    if config.base_model == DEMO:
        return DEMO_LICENCE
    return known.licence if known else "see its model card"


def _disk(folder: Path | None, known: KnownModel | None) -> str:
    weights = list(folder.glob("*.safetensors")) if folder else []
    if weights:
        return words.size(sum(path.stat().st_size for path in weights)) + " on disk"
    size = f": {known.weights_gib:.1f} GiB" if known else ""
    return f"needs the network once{size}"


def _format_check(config: Config, folder: Path | None, known: KnownModel | None) -> Check:
    if folder is None or not (folder / "tokenizer.json").is_file():
        if folder is not None and not known:
            return Check("bad", "This folder holds no tokenizer.json.")
        if known is None:
            return Check("", "Its FIM tokens are checked once it is on this machine.")
        family = FAMILIES[known.family]
        return Check("", "FIM tokens expected", family.sentinels)
    stamp = (folder / "tokenizer.json").stat().st_mtime_ns
    return _found_format(folder, stamp, config.family, config.left_to_right)


@lru_cache(maxsize=16)  # reading a large tokenizer takes a second
def _found_format(folder: Path, _: int, family: str, left_to_right: bool) -> Check:
    config = Config(base_model=str(folder), family=family, left_to_right=left_to_right)
    try:
        format = find_format(CodeTokenizer.from_folder(folder), folder, config)
    except CodeTuneError as error:
        return Check("bad", str(error))
    if format is None:
        return Check("", "Trained left to right only, as chosen: no fill in the middle.")
    found = f"FIM tokens found: {format.family.label}, {format.reason}."
    return Check("ok", found, format.family.sentinels)


def _memory_check(
    config: Config, shape: ModelShape | None, gpu: Card | None, memory_gib: float
) -> Check:
    if shape is None:
        return Check("", "Its shape is not known here: no memory estimate yet.")
    room = gpu.total_gib - CONTEXT_GIB if gpu else None
    own = config.share(config.processes)
    way = planned_way(own, shape, room, base_parts(config, shape, room))
    parts = estimate_memory(shape, own, way)
    needed = parts.total_gib + (CONTEXT_GIB if gpu else 0.0)
    there, where = (gpu.total_gib, gpu.name) if gpu else (memory_gib, "RAM, no GPU here")
    sentence = f"Needs about {needed:.1f} of {there:.1f} GiB ({where}): {_parts(parts)}."
    if needed <= there:
        return Check("ok", sentence)
    less = "the memory setting least" if gpu else "fewer rows per pass"
    return Check("bad", f"{sentence} Try {less}, shorter rows or a smaller model.")


def _parts(parts: MemoryEstimate) -> str:
    return (
        f"weights {parts.weights_gib:.2f}, adapter {parts.adapter_gib:.2f}, "
        f"activations {parts.activations_gib:.2f}, logits {parts.logits_gib:.2f}"
    )


def _gate(known: KnownModel | None, folder: Path | None) -> tuple[Check, ...]:
    if known is None or not known.gated or folder is not None:
        return ()
    return (Check("", "Gated: accept its terms on huggingface.co, then run 'hf auth login'."),)


def _code_check(config: Config, code: OwnCode | None) -> tuple[Check, ...]:
    if code is None:
        return ()
    if code.elsewhere:
        return (Check("", f"It names Python of {code.elsewhere}, which is never run."),)
    if config.allow_code == code.fingerprint:
        return (Check("ok", "Its own Python is allowed, if transformers does not know the model."),)
    sentence = "It brings Python of its own, which is not run. Should it be needed: read it below, "
    return (Check("", f"{sentence}then put into Allow the model's own code:", (code.fingerprint,)),)


def _texts(code: OwnCode | None) -> tuple[tuple[str, str], ...]:
    if code is None:
        return ()
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in code.files)
    return tuple(zip((path.name for path in code.files), texts, strict=True))


def _lines(text: str) -> str:
    count = len(text.splitlines())
    return f"{count:,} line{'' if count == 1 else 's'}"


def render(view: ModelView) -> str:
    """Return the card's facts and check lines, and what would run of a model's own code."""
    facts = {
        "Parameters": view.parameters,
        "Context": view.context,
        "Licence": view.licence,
        "Size": view.disk,
    }
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
        if value
    )
    code = "".join(
        f'<details class="m-code"><summary>{escape(name)}, {_lines(text)}</summary>'
        f"<pre>{escape(text[:MOST_CODE])}</pre></details>"
        for name, text in view.code
    )
    return f'<dl class="m-facts">{cells}</dl>{checklist(view.checks)}{code}'


def checklist(checks: tuple[Check, ...]) -> str:
    """Return check lines, each with its mark; tokens stand as chips behind the words."""
    lines = "".join(
        f'<li class="{check.kind}">{escape(check.text)}'
        + "".join(f" <code>{escape(chip)}</code>" for chip in check.chips)
        + "</li>"
        for check in checks
    )
    return f'<ul class="m-checks">{lines}</ul>'
