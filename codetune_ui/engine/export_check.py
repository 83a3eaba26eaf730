"""Does an export answer as the adapter does? Both fill the same holes and read the same rows.

same       the text in every hole is the same, byte for byte
alike      not so, but the best next token is the same at 97 of 100 places of held-out code, and the
           held-out loss differs by no more than 0.02: what rounding to 16 or 8 bits does
different  anything else
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from codetune_ui.core.completion import Ask
from codetune_ui.core.families import FimFormat, find_format
from codetune_ui.core.holes import cut_holes
from codetune_ui.core.pack import IGNORE_INDEX, Row
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.adapters import Adapters
from codetune_ui.engine.evaluate import asks_for, held_out
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.rows import RowFile, rows_on_disk
from codetune_ui.runs.store import Run

HOLES = 6
HOLE_TOKENS = 48
TOKENS = {"cpu": 4096, "cuda": 131_072}  # of held-out rows; the figures say how many were read
LOGITS = 64  # places at which all logits are compared
AGREEMENT, LOSS = 0.97, 0.02

Rule = Callable[[], None]


@dataclass(frozen=True)
class Probe:
    """What is asked of both: prompts with a hole, and rows of held-out code."""

    folder: Path
    tokenizer: CodeTokenizer
    format: FimFormat | None
    asks: Sequence[Ask]
    rows: Sequence[Row]
    check: Rule
    """Called between two steps; raises when the job is to stop."""


@dataclass(frozen=True)
class Look:
    """What a model made of a probe.

    best (N,): the likeliest next token at each place that carries loss. logits (up to LOGITS, V).
    """

    texts: tuple[str, ...]
    loss: float | None
    best: NDArray[np.int64]
    logits: NDArray[np.float32]


def probe_of(run: Run, folder: Path, device: str, check: Rule) -> Probe:
    """Take holes out of a run's held-out files, and as many of its held-out rows as are quick."""
    config = run.config()
    tokenizer = CodeTokenizer.from_folder(folder)
    format = find_format(tokenizer, folder, config)
    documents = held_out(run)
    holes = cut_holes(documents, HOLES, seed=0).found
    asks = asks_for(holes, documents, config, format)
    shorter = [replace(ask, max_tokens=HOLE_TOKENS) for ask in asks]
    return Probe(folder, tokenizer, format, shorter, _rows(run, TOKENS[device]), check)


def _rows(run: Run, tokens: int) -> list[Row]:
    path, length = run.dataset_dir / "val.rows", run.config().max_seq_len
    count = min(rows_on_disk(path, length), max(1, tokens // length))
    file = RowFile(path, length, count, wait=lambda _: None)
    return [file[index] for index in range(count)]


def look(model: Any, probe: Probe, adapter: Path | None = None) -> Look:
    """Ask a model; an adapter is put beside its weights, as in training and in the playground."""
    completer = Completer(model, probe.tokenizer, probe.format, probe.folder)
    name = "adapter" if adapter else None
    if adapter:
        completer.adapters.load("adapter", adapter)
    texts = []
    for ask in probe.asks:
        probe.check()
        chunks = completer.complete(ask, name, threading.Event())
        texts.append("".join(chunk.text for chunk in chunks))
    adapters = completer.adapters
    if adapters.decoder is not None:  # it keeps adapters to itself; here PEFT's own are needed
        adapters = Adapters(model)
        if adapter:
            adapters.load("adapter", adapter)
    with adapters.active(name) as active:
        loss, best, logits = _read(active, probe)
    return Look(tuple(texts), loss, best, logits)


def held_out_loss(model: Any, probe: Probe) -> float | None:
    """Return the mean loss in nats per token that carries loss; None when there are no rows."""
    return _read(model, probe)[0]


@torch.inference_mode()
def _read(model: Any, probe: Probe) -> tuple[float | None, NDArray[np.int64], NDArray[np.float32]]:
    """Read the rows, each example on its own, as it stands in the prompt of an editor."""
    total, best, some, kept = 0.0, [], [], 0
    for row in probe.rows:
        probe.check()
        place = 0
        for length in row.seq_lengths:
            ids, labels = row.ids[place : place + length], row.labels[place : place + length]
            place += length
            places = np.flatnonzero(labels[1:] != IGNORE_INDEX)
            if not len(places):
                continue
            batch = torch.from_numpy(ids.astype(np.int64))[None].to(model.device)
            found = model(input_ids=batch, use_cache=False).logits[0]
            logits = found[torch.from_numpy(places).to(model.device)]
            # Embeddings are often padded beyond the vocabulary; those rows are no tokens.
            logits = logits[:, : probe.tokenizer.vocab_size].float()
            wanted = torch.from_numpy(labels[1:][places].astype(np.int64)).to(logits.device)
            total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            best.append(logits.argmax(-1).cpu().numpy())
            if kept < LOGITS:
                some.append(logits[: LOGITS - kept].cpu().numpy())
                kept += len(some[-1])
    if not best:
        return None, np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    every = np.concatenate(best)
    return total / len(every), every, np.concatenate(some)


def compare(export: Look, adapter: Look, *, beside: str = "16-bit") -> dict[str, Any]:
    """Return how an export's answers agree with the adapter's, and one word for it.

    beside: which base the adapter was asked beside.
    """
    same = sum(a == b for a, b in zip(export.texts, adapter.texts, strict=True))
    figures: dict[str, Any] = {
        "beside": beside,
        "holes": len(adapter.texts),
        "same_text": same,
        "tokens": len(adapter.best),
        "loss_export": _rounded(export.loss),
        "loss_adapter": _rounded(adapter.loss),
        "agreement": None,
        "logit_difference": None,
    }
    if len(adapter.best):
        apart = np.abs(export.logits - adapter.logits)
        figures |= {
            "agreement": round(float((export.best == adapter.best).mean()), 4),
            "logit_difference": [round(float(apart.mean()), 5), round(float(apart.max()), 5)],
        }
    return {"answers": _word(figures, export, adapter), **figures}


def _word(figures: dict[str, Any], export: Look, adapter: Look) -> str:
    if adapter.texts and figures["same_text"] == figures["holes"]:
        return "same"
    if export.loss is None or adapter.loss is None:
        return "different" if adapter.texts else "not compared"
    close = figures["agreement"] >= AGREEMENT and abs(export.loss - adapter.loss) <= LOSS
    return "alike" if close else "different"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def sentence(check: dict[str, Any]) -> str:
    """Return what a comparison came to, in words.

    >>> sentence({"beside": "16-bit", "holes": 6, "same_text": 6, "agreement": None})
    'Opened again, it fills 6 of 6 holes with the same text as the adapter.'
    """
    other = check["beside"] == "dequantised"  # it is the 16-bit one that the playground loads
    told = f"Opened again, it fills {check['same_text']} of {check['holes']} holes with the same "
    told += f"text as the adapter{' beside the base of its training, in 4 bit' * other}"
    if check["agreement"] is not None:
        told += (
            f"; its best token is the adapter's at {100 * check['agreement']:.1f} % of "
            f"{check['tokens']:,} places, held-out loss {check['loss_export']:.4f} against "
            f"{check['loss_adapter']:.4f}"
        )
    return f"{told}."
