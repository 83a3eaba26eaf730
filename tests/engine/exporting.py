"""Runs that can be exported: tiny models of each shape, an adapter, held-out code and rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from codetune_ui.core.document import Document
from codetune_ui.core.export import Request
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import pack, to_words
from codetune_ui.core.recipe import Recipe, examples_of
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.export import export
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.runs.exports import create
from codetune_ui.runs.store import Home, Run
from tests.runs.serving import add_trained_run, hold_out
from tests.tiny import build_model

KINDS = ("llama", "qwen2", "gpt_bigcode", "starcoder2")
ROW = 128
CODE = "".join(
    f"def step_{n}(value: int, factor: int = {n}) -> int:\n    return value * {n * 7}\n\n\n"
    for n in range(8)
)
FILES = {"pond.py": CODE, "lake.py": CODE.replace("step", "wave").replace("value", "depth")}


def build_base(folder: Path, kind: str) -> Path:
    """A tiny model with no row beyond its vocabulary, and with biases that would be missed."""
    from transformers import AutoModelForCausalLM

    build_model(folder, kind=kind)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(CodeTokenizer.from_folder(folder).vocab_size)
    torch.manual_seed(1)
    for name, weights in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weights, std=0.1)
    model.save_pretrained(folder)
    return folder


def exportable(home: Path, base: Path, name: str = "tuned", **settings: Any) -> Run:
    """A run with a random adapter, held-out files, and the held-out rows cut from them."""
    run = add_trained_run(Home(home), base, name, max_seq_len=ROW, **settings)
    hold_out(run, FILES)
    config = run.config()
    tokenizer = CodeTokenizer.from_folder(base)
    recipe = Recipe.from_config(config, tokenizer, find_format(tokenizer, base, config))
    documents = [Document(text, path, "Python", path) for path, text in FILES.items()]
    with (run.dataset_dir / "val.rows").open("wb") as file:
        for row in pack(examples_of(documents, recipe, 0), ROW, 4):
            file.write(to_words(row).tobytes())
    return run


def export_here(run: Run, format: str, to: Path | str, **asked: Any) -> dict[str, Any]:
    """Export in this process; return the manifest."""
    request = Request(run=run.name, format=format, to=str(to), accepted=True, **asked)  # type: ignore[arg-type]
    job = create(run.home, request)
    reporter = Reporter(job, "export")
    reporter.open()
    try:
        return export(job, Path(run.config().base_model), reporter, StopWish(job))
    finally:
        reporter.close()
