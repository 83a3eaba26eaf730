"""One evaluation: base and adapter of a run fill the same holes of held-out code, and are scored.

Both are asked at once and end by the same rules: a hole in a line at the first line break, as an
editor asks for one line; a block at the model's own end of the middle; both after so many tokens.
Where the decoder writes, it reads each prompt once: how likely the truth is comes with its answer.
Then both read a few holes of general code, to show what the training has cost there.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from codetune_ui.core.completion import Ask
from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import RunError
from codetune_ui.core.evaluation import Filled, evaluation, most_tokens
from codetune_ui.core.families import FimFormat, find_format
from codetune_ui.core.holes import ONE_LINE, Hole
from codetune_ui.core.neighbours import Repository
from codetune_ui.core.pack import from_words
from codetune_ui.core.probe import forgetting, probe_holes
from codetune_ui.core.readback import in_document_order
from codetune_ui.core.scores import Answer, Names, one_line, score
from codetune_ui.core.seen import Seen
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.answer import Job
from codetune_ui.engine.chosen import choose
from codetune_ui.engine.desk import as_trained
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.hub import resolve_model
from codetune_ui.engine.likelihood import Likelihood, Measurer, Truth
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.engine.rows import rows_on_disk
from codetune_ui.runs.evaluations import find_run, read_request, write_result
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Run

Progress = Callable[[int, int, str], None]  # done, of how many, what was done
Answers = tuple[Answer, Answer]  # base, adapter
Likely = tuple[Likelihood, Likelihood]


def evaluate(job: Run, reporter: Reporter, stop: StopWish) -> None:
    """Do one evaluation and write its result; a wish to stop leaves nothing behind."""
    request, run = read_request(job), find_run(job)
    config = run.config()
    began = time.monotonic()

    def tell(done: int, total: int, deed: str) -> None:
        reporter.event("evaluate", done=done, total=total, deed=deed)
        reporter.step(sum(planned[: DEEDS.index(deed)]) + done)

    # --- holes
    general = probe_holes()
    folder = resolve_model(config)
    tokenizer = CodeTokenizer.from_folder(folder)
    format = find_format(tokenizer, folder, config)
    chosen = choose(job.home, run, request, held_out)
    documents = chosen.documents
    material = read_training_code(chosen.all_code, training_code(run, tokenizer, format, stop))
    holes = chosen.draw(material.seen.has)
    planned = [len(holes.found), 0, len(general)]  # how many holes are filled, measured, probed
    reporter.state("running", total_steps=sum(planned))
    # --- model
    reporter.phase("Loading the base model")
    completer = Completer.load(config, folder, ROWS)
    completer.adapters.load(run.name, run.adapter_dir)
    if completer.adapters.decoder is None:
        planned[1] = len(holes.found)
        reporter.state("running", total_steps=sum(planned))
    stop.check()
    # --- answers, and how likely the true code is
    side = Side(completer, run.name, format, tell, stop.check)
    reporter.phase(f"Filling {len(holes.found)} holes with base and adapter")
    asks = asks_for(holes.found, documents, config, format)
    answers, likely = fill(side, holes.found, asks)
    if None in likely:
        reporter.phase("Measuring how likely the true code is")
        likely = measured_too(side, holes.found, asks, likely)
    # --- what it has cost
    reporter.phase("Measuring how sure they are of general code")
    price = probe(side, general, config)
    # --- verdict
    filled = scored(holes.found, answers, likely, material.names.known())
    about = {
        "id": job.name,
        "run": run.name,
        "created": round(time.time()),
        "base_model": config.base_model,
        "family": format.family.name if format else "",
        "held_out_files": len(documents),
        "left_out_in_train": holes.in_train,
        "training_code_read": material.whole,
        "seconds": round(time.monotonic() - began, 1),
        **chosen.about(holes),
    }
    write_result(job, evaluation(filled, request, about, price))


DEEDS = WRITTEN, MEASURED, PROBED = "filled", "measured", "of general code measured"
ROWS = 16  # answers written side by side: a step costs little more than with two


# --- holes


@dataclass
class Material:
    """What is known of the training code: which held-out lines and names stand in it too."""

    seen: Seen
    names: Names
    whole: bool = field(default=True)
    """Was all of it there to be read?"""


def held_out(run: Run) -> list[Document]:
    """Return the files of a run that are never trained on; `RunError` when they are gone."""
    try:
        with (run.dataset_dir / "held_out.jsonl").open(encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
    except (OSError, ValueError) as error:
        message = f"The held-out code of '{run.name}' cannot be read."
        raise RunError(message, "Train the run again.") from error
    return [Document(row["text"], row["path"], row["language"], row["path"]) for row in rows]


def training_code(
    run: Run, tokenizer: CodeTokenizer, format: FimFormat | None, stop: StopWish
) -> Iterator[str]:
    """Yield the code that a run was trained on, read back from its rows, one pass over the data."""
    length = run.config().max_seq_len
    path = run.dataset_dir / "train.rows"
    count = rows_on_disk(path, length)
    epoch = (read_json(run.dataset_dir / "manifest.json") or {}).get("rows_per_epoch") or count
    if not count:
        return
    words = np.memmap(path, dtype=np.uint32, mode="r", shape=(count, length))
    for index in range(min(count, epoch)):
        stop.check()
        row = from_words(np.array(words[index]))
        ids, place = row.ids.tolist(), 0
        for size in row.seq_lengths:
            yield in_document_order(ids[place : place + size], tokenizer, format)
            place += size


def read_training_code(documents: Sequence[Document], code: Iterator[str]) -> Material:
    """Note what training code and held-out files have in common."""
    texts = [document.text for document in documents]
    material = Material(Seen(texts), Names(texts))
    pieces = 0
    for text in code:
        material.seen.note(text)
        material.names.note(text)
        pieces += 1
    material.whole = pieces > 0
    return material


def asks_for(
    holes: Sequence[Hole], documents: Sequence[Document], config: Config, format: FimFormat | None
) -> list[Ask]:
    """Return what the server would be asked for each hole, with what the run's files were read."""
    repository = Repository(documents)
    found = []
    for hole in holes:
        with_path = config.repo_context != "none"
        near = repository.neighbours(hole.path) if config.repo_context == "neighbours" else ()
        ask = Ask(
            hole.prefix,
            hole.suffix,
            max_tokens=most_tokens(hole.kind),
            path=hole.path if with_path else "",
            extra=near,
        )
        found.append(as_trained(ask, config, format))
    return found


# --- both sides


@dataclass(frozen=True)
class Side:
    """What fills and measures: a model with one adapter; and who hears of it, or ends it.

    tell: hears of each hole. check: raises where nobody wants the rest; asked at each token.
    """

    completer: Completer
    adapter: str
    format: FimFormat | None
    tell: Progress
    check: Callable[[], None]

    def truth(self, hole: Hole) -> Truth:
        """Return what stood in a hole, as tokens."""
        return Truth.of(hole.middle, self.completer.tokenizer, self.format)

    def jobs(self, ask: Ask, truth: Truth, *, only_read: bool = False) -> tuple[Job, Job]:
        """Return one hole as the base and the adapter are asked to fill it."""
        base, adapter = (
            Job(ask, name, threading.Event(), self.format, truth.ids, only_read, math.inf)
            for name in (None, self.adapter)
        )
        return base, adapter


def fill(
    side: Side, holes: Sequence[Hole], asks: Sequence[Ask]
) -> tuple[list[Answers], list[Likely | None]]:
    """Return what base and adapter write into each hole, and how likely they find the truth.

    The likelihood is None where it is not known from the writing: see `measured_too`.
    """
    truths = [side.truth(hole) for hole in holes]
    asked = [side.jobs(ask, truth) for ask, truth in zip(asks, truths, strict=True)]
    places = {job: place for place, both in enumerate(asked) for job in both}
    texts = dict.fromkeys(places, "")
    done: dict[Job, Answer] = {}
    coming = iter(places)
    with closing(side.completer.together(lambda: next(coming, None))) as written:
        for job, chunk in written:
            side.check()
            hole = holes[places[job]]
            texts[job] += chunk.text
            if hole.kind in ONE_LINE and "\n" in texts[job]:
                job.cancel.set()  # an editor that wants one line stops listening here
            if chunk.finish:
                text = one_line(texts[job], hole.kind)
                done[job] = Answer(text, chunk.finish == "stop", chunk.tokens)
                side.tell(len(done) // 2, len(holes), WRITTEN)
    likely = [_likely(both, truth) for both, truth in zip(asked, truths, strict=True)]
    return [(done[base], done[adapter]) for base, adapter in asked], likely


def _likely(both: tuple[Job, Job], truth: Truth) -> Likely | None:
    base, adapter = (job.losses for job in both)
    return (truth.likelihood(base), truth.likelihood(adapter)) if base and adapter else None


def measure(
    side: Side, holes: Sequence[Hole], asks: Sequence[Ask], deed: str = MEASURED
) -> list[Likely | None]:
    """Return how likely base and adapter find each true middle; nothing is written."""
    truths = [side.truth(hole) for hole in holes]
    pairs = list(zip(asks, truths, strict=True))
    if side.completer.adapters.decoder is None:
        measurer = Measurer(side.completer, side.adapter, side.completer.adapters)
        found: list[Likely | None] = []
        for done, (ask, truth) in enumerate(pairs, 1):
            side.check()
            found.append(measurer.both(ask, truth, side.format))
            side.tell(done, len(holes), deed)
        return found
    asked = [side.jobs(ask, truth, only_read=True) for ask, truth in pairs]
    coming = iter([job for both in asked for job in both])
    with closing(side.completer.together(lambda: next(coming, None))) as read:
        for done, _ in enumerate(read, 1):
            side.check()
            side.tell(done // 2, len(holes), deed)
    return [_likely(both, truth) for both, truth in zip(asked, truths, strict=True)]


def measured_too(
    side: Side, holes: Sequence[Hole], asks: Sequence[Ask], likely: Sequence[Likely | None]
) -> list[Likely | None]:
    """Return the likelihoods with those that were not known measured by themselves.

    That is all of them for what the decoder does not cover, and else a few whose prompt and truth
    together are too long to be read as the prompt was: here it gives way.
    """
    places = [place for place, one in enumerate(likely) if one is None]
    some = measure(side, [holes[place] for place in places], [asks[place] for place in places])
    found = list(likely)
    for place, one in zip(places, some, strict=True):
        found[place] = one
    return found


def probe(side: Side, holes: Sequence[Hole], config: Config) -> dict[str, Any] | None:
    """Return what the training has cost on general code; each file is read by itself."""
    with_path = config.repo_context != "none"
    asks = [
        Ask(hole.prefix, hole.suffix, path=hole.path if with_path else "", context_tokens=0)
        for hole in holes
    ]
    likely = measure(side, holes, asks, PROBED)
    return forgetting(holes, list(map(_per_char, holes, likely)))


def _per_char(hole: Hole, likely: Likely | None) -> tuple[float | None, float | None]:
    if likely is None:
        return None, None
    size = len(hole.middle)
    return likely[0].middle / size, likely[1].middle / size


def scored(
    holes: Sequence[Hole],
    answers: Sequence[Answers],
    likely: Sequence[Likely | None],
    known: frozenset[str],
) -> list[Filled]:
    """Return the holes with all answers and scores."""
    found = []
    for hole, both, nlls in zip(holes, answers, likely, strict=True):
        scores = [
            score(hole, answer, known, nll)
            for answer, nll in zip(both, _per_char(hole, nlls), strict=True)
        ]
        found.append(Filled(hole, *both, *scores))
    return found
