"""One evaluation: base and adapter of a run fill the same holes of held-out code, and are scored.

Both are asked at once and end by the same rules: a hole in a line at the first line break, as an
editor asks for one line; a block at the model's own end of the middle; both after so many tokens.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

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
from codetune_ui.core.readback import in_document_order
from codetune_ui.core.scores import Answer, Names, one_line, score
from codetune_ui.core.seen import Seen
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.adapters import Adapters
from codetune_ui.engine.answer import Job
from codetune_ui.engine.chosen import choose
from codetune_ui.engine.desk import as_trained
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.hub import resolve_model
from codetune_ui.engine.likelihood import Likelihood, Measurer
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.engine.rows import rows_on_disk
from codetune_ui.runs.evaluations import find_run, read_request, write_result
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Run

Progress = Callable[[int, int, str], None]  # done, of how many, what was done
Sides = tuple[Answer, Answer]  # base, adapter


def evaluate(job: Run, reporter: Reporter, stop: StopWish) -> None:
    """Do one evaluation and write its result; a wish to stop leaves nothing behind."""
    request, run = read_request(job), find_run(job)
    config = run.config()
    began = time.monotonic()

    def tell(done: int, total: int, deed: str) -> None:
        stop.check()
        reporter.event("evaluate", done=done, total=total, deed=deed)
        reporter.step(done if deed == WRITTEN else total + done)

    # --- holes
    folder = resolve_model(config)
    tokenizer = CodeTokenizer.from_folder(folder)
    format = find_format(tokenizer, folder, config)
    chosen = choose(job.home, run, request, held_out)
    documents = chosen.documents
    material = read_training_code(chosen.all_code, training_code(run, tokenizer, format, stop))
    holes = chosen.draw(material.seen.has)
    reporter.state("running", total_steps=2 * len(holes.found))
    # --- model
    reporter.phase("Loading the base model")
    completer = Completer.load(config, folder)
    completer.adapters.load(run.name, run.adapter_dir)
    stop.check()
    # --- answers
    reporter.phase(f"Filling {len(holes.found)} holes with base and adapter")
    asks = asks_for(holes.found, documents, config, format)
    answers = fill(completer, run.name, holes.found, asks, format, tell)
    # --- likelihood
    reporter.phase("Measuring how likely the true code is")
    likely = measure(completer, run, holes.found, asks, format, tell)
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
    write_result(job, evaluation(filled, request, about))


WRITTEN, MEASURED = "filled", "measured"


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


def fill(
    completer: Completer,
    adapter: str,
    holes: Sequence[Hole],
    asks: Sequence[Ask],
    format: FimFormat | None,
    tell: Progress,
) -> list[Sides]:
    """Return what base and adapter write into each hole, both written in one batch."""
    places: dict[Job, tuple[int, int]] = {}
    texts = [["", ""] for _ in holes]
    done: list[list[Answer | None]] = [[None, None] for _ in holes]
    coming = iter([(place, side) for place in range(len(holes)) for side in (0, 1)])

    def take() -> Job | None:
        found = next(coming, None)
        if found is None:
            return None
        job = Job(asks[found[0]], adapter if found[1] else None, threading.Event(), format)
        places[job] = found
        return job

    finished = 0
    with closing(completer.together(take)) as written:
        for job, chunk in written:
            place, side = places[job]
            texts[place][side] += chunk.text
            if holes[place].kind in ONE_LINE and "\n" in texts[place][side]:
                job.cancel.set()  # an editor that wants one line stops listening here
            if chunk.finish:
                text = one_line(texts[place][side], holes[place].kind)
                done[place][side] = Answer(text, chunk.finish == "stop", chunk.tokens)
                del places[job]
                finished += 1
                tell(finished // 2, len(holes), WRITTEN)
    return [_both(sides) for sides in done]


def _both(sides: list[Answer | None]) -> Sides:
    base, adapter = sides
    assert base is not None
    assert adapter is not None
    return base, adapter


def measure(
    completer: Completer,
    run: Run,
    holes: Sequence[Hole],
    asks: Sequence[Ask],
    format: FimFormat | None,
    tell: Progress,
) -> list[tuple[Likelihood, Likelihood]]:
    """Return how likely base and adapter find each true middle."""
    adapters = completer.adapters
    if adapters.decoder is not None:  # it keeps adapters to itself; here PEFT's own are needed
        adapters = Adapters(adapters.base)
        adapters.load(run.name, run.adapter_dir)
    measurer = Measurer(completer, run.name, adapters)
    found = []
    for done, (hole, ask) in enumerate(zip(holes, asks, strict=True), 1):
        found.append(measurer.both(ask, hole.middle, format))
        tell(done, len(holes), MEASURED)
    return found


def scored(
    holes: Sequence[Hole],
    answers: Sequence[Sides],
    likely: Sequence[tuple[Likelihood, Likelihood]],
    known: frozenset[str],
) -> list[Filled]:
    """Return the holes with all answers and scores."""
    found = []
    for hole, both, nlls in zip(holes, answers, likely, strict=True):
        size = len(hole.middle)
        scores = [
            score(hole, answer, known, nll.middle / size)
            for answer, nll in zip(both, nlls, strict=True)
        ]
        found.append(Filled(hole, *both, *scores))
    return found
