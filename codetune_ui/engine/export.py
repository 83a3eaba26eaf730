"""An export: what was trained, as files that other programs open; opened again before it counts.

refuse what cannot be · make it in a folder beside · open it again · seal · rename or upload
"""

from __future__ import annotations

import errno
import shutil
import time
from pathlib import Path

from codetune_ui.core.errors import MachineError, ModelError
from codetune_ui.core.export import MANIFEST, check_plain_lora
from codetune_ui.core.export_card import card
from codetune_ui.core.families import find_format
from codetune_ui.core.gguf_shapes import GgufShape, gguf_shape
from codetune_ui.core.gguf_tokens import GgufTokens, gguf_tokens
from codetune_ui.core.own_code import own_code
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.export_facts import facts_of
from codetune_ui.engine.export_folder import check_space, publish, scratch_beside, seal
from codetune_ui.engine.export_work import Found, Work
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.runs.exports import find_run, read_request, write_record
from codetune_ui.runs.store import Run

LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
SPARE = 16 << 20  # bytes, for everything that is no weight


def export(job: Run, folder: Path, reporter: Reporter, stop: StopWish) -> Found:
    """Make one export from a run and its base model's folder, and return its manifest.

    A wish to stop, or an error, leaves nothing behind.
    """
    began = time.monotonic()
    work = Work(job, find_run(job), read_request(job), folder, reporter, stop)
    # --- what cannot be done is said before torch is loaded
    shape, tokens = readable(work)
    repository = work.request.repository
    place = job.path / "upload" if repository else Path(work.request.to)
    check_space(place, _needed(work))
    with scratch_beside(place) as scratch:
        # --- the files, opened again and compared
        found = _made(work, scratch, shape, tokens)
        # --- what goes with them
        for pattern in LICENCES:
            for path in folder.glob(pattern):
                shutil.copyfile(path, scratch / path.name)
        facts = facts_of(work, found, scratch)
        (scratch / "README.md").write_text(card(facts), encoding="utf-8", newline="\n")
        reporter.phase("Sealing the export")
        seconds = round(time.monotonic() - began, 1)
        manifest = seal(scratch, {**facts.about(), **found, "seconds": seconds})
        stop.check()
        # --- in its place
        if repository:
            from codetune_ui.engine.export_hub import upload

            reporter.phase(f"Uploading to {repository}")
            manifest["url"] = upload(scratch, work.request, [*manifest["files"], MANIFEST])
        else:
            publish(scratch, place, overwrite=work.request.overwrite)
    write_record(job, manifest)
    return manifest


def readable(work: Work) -> tuple[GgufShape | None, GgufTokens | None]:
    """Return a base's shape and tokens as GGUF has them, where the format wants them.

    Raises `ModelError` or `MachineError` for what this format, or this machine, cannot do.
    """
    request = work.request
    if request.repository:
        from codetune_ui.engine.export_hub import check_token

        check_token()
    if request.format == "adapter":
        return None, None
    check_plain_lora(work.settings)
    if work.base.get("quantization_config"):
        raise ModelError(
            "The base model's own weights are quantised: nothing can be merged into them.",
            "Export it with --format adapter.",
        )
    if request.format == "merged":
        _refuse_own_code(work)
        return None, None
    shape = gguf_shape(work.base)
    if request.format == "gguf-adapter":
        return shape, None
    format = find_format(CodeTokenizer.from_folder(work.folder), work.folder, work.run.config())
    return shape, gguf_tokens(work.folder, format, shape.shape.vocab)


def _refuse_own_code(work: Work) -> None:
    if own_code(work.folder) is not None:  # seldom: else torch need not be loaded yet
        from codetune_ui.engine.model import runs_own_code

        if runs_own_code(work.run.config(), work.folder):
            raise ModelError(
                "The base model runs Python of its own, which a merged model would lack.",
                "Export it with --format adapter.",
            )


def _needed(work: Work) -> int:
    """Return about how many bytes an export takes on disk."""
    size = sum(path.stat().st_size for path in work.run.adapter_dir.iterdir())
    if work.request.format in ("merged", "gguf", "ollama"):
        own = sum(path.stat().st_size for path in work.folder.glob("*.safetensors"))
        size += own * (2 if work.request.number_format == "f32" else 1)
    return size + SPARE


def _made(work: Work, scratch: Path, shape: GgufShape | None, tokens: GgufTokens | None) -> Found:
    from codetune_ui.engine import export_formats as formats  # loads torch

    try:
        if shape is None:
            make = formats.adapter if work.request.format == "adapter" else formats.merged
            return make(work, scratch)
        if tokens is None:
            return formats.gguf_adapter(work, scratch, shape)
        found = formats.gguf_model(work, scratch, shape, tokens)
        if work.request.format == "ollama":
            formats.add_modelfile(work, scratch, shape)
        return found
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MachineError("The disk is full.", "Free some space, and try again.") from error
        raise
