"""A run folder with rows, and the training of it in this process: all real but the source."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codetune_ui.core.config import Config
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import Row, pack, to_words
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine import checkpoint, model, rows, train
from codetune_ui.engine.best import Best
from codetune_ui.engine.callbacks import Meter
from codetune_ui.engine.hardware import find_hardware
from codetune_ui.engine.pace import choose_pace
from codetune_ui.engine.place import Place
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.engine.scorecard import Scorecard, make_scorecard
from codetune_ui.runs.events import Event, read_events
from codetune_ui.runs.store import Home, Run
from tests.tiny import SOME_CODE

SEQ = 64


@dataclass(frozen=True)
class Piece:
    """An example with loss on every token but the first."""

    ids: list[int]

    @property
    def labels(self) -> list[int]:
        return [-100, *self.ids[1:]]


def some_rows(count: int, seed: int = 0) -> list[Row]:
    """Rows of several short examples each, some with padding at the end."""
    rng = random.Random(seed)
    pieces = (
        Piece([rng.randrange(5, 40) for _ in range(rng.randrange(5, 30))]) for _ in iter(int, 1)
    )
    return list(itertools.islice(pack(pieces, SEQ, 4), count))


def tiny_config(folder: Path, **changes: Any) -> Config:
    """Six quick steps of two passes each."""
    settings: dict[str, Any] = {
        "base_model": str(folder),
        "max_seq_len": SEQ,
        "max_steps": 6,
        "global_batch_rows": 4,
        "micro_batch_rows": 2,
        "learning_rate": 5e-3,
        "warmup_steps": 1,
        "lora_rank": 4,
        "eval_every": 4,
        "save_every": 4,
        "log_every": 1,
        "quant": "none",
        "gradient_checkpointing": False,
    }
    return Config.from_dict({**settings, **changes})


def make_run(config: Config, name: str) -> Run:
    """A run of the temporary home, with all its rows written."""
    run = Home.current().create_run(config, name)
    run.dataset_dir.mkdir()
    total = config.max_steps * config.global_batch_rows
    for file, count, seed in (("train", total, 1), ("val", 6, 2)):
        words = np.concatenate([to_words(row) for row in some_rows(count, seed)])
        words.tofile(run.dataset_dir / f"{file}.rows")
    return run


def open_rows(run: Run, name: str, count: int) -> rows.RowFile:
    def missing(wanted: int) -> None:
        raise AssertionError(f"{wanted} rows are not there")

    return rows.RowFile(run.dataset_dir / f"{name}.rows", SEQ, count, wait=missing)


def load_tuned(config: Config) -> Any:
    """A seeded adapter on the config's base, ready for training."""
    train.seed_everything(config.seed)
    device = find_hardware().device
    base = model.load_base(config, Path(config.base_model), device=device, training=True)
    return model.attach_adapter(base, config)


def write_held_out(run: Run) -> None:
    """Put some code into a made run, of which no row was cut."""
    lines = [
        {"path": f"part_{index}.py", "language": "Python", "text": text}
        for index, text in enumerate(SOME_CODE)
    ]
    path = run.dataset_dir / "held_out.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def make_card(run: Run) -> Scorecard:
    """The scorecard of a made run with held-out code."""
    folder = Path(run.config().base_model)
    tokenizer = CodeTokenizer.from_folder(folder)
    card = make_scorecard(run, tokenizer, find_format(tokenizer, folder, run.config()), 512)
    assert card is not None
    return card


def train_here(run: Run, *, resume: bool = False, job: str = "train") -> tuple[Any, Meter]:
    """Train a made run in this process; returns the tuned model."""
    tuned, meter, _ = train_scored(run, resume=resume, job=job)
    return tuned, meter


def train_scored(
    run: Run, card: Scorecard | None = None, *, resume: bool = False, job: str = "train"
) -> tuple[Any, Meter, Best]:
    """The same, with what the scorecards found."""
    config = run.config()
    tuned = load_tuned(config)
    reporter = Reporter(run, job)
    reporter.open()
    machine = find_hardware()
    precision = model.choose_precision(config, machine)
    place = Place(run, reporter, StopWish(run), machine, precision)
    total = config.max_steps * config.global_batch_rows
    good = checkpoint.newest_good(run)[0] if resume else None
    try:
        training, held_out = open_rows(run, "train", total), open_rows(run, "val", 6)
        pace = choose_pace(tuned, config, precision, [training[0], training[1]])
        if good:
            reporter.event("resume", step=checkpoint.step_of(good))
        meter, best = train.train_adapter(
            place, tuned, training, held_out, pace, resume_from=good, scorecard=card
        )
    finally:
        reporter.close()
    return tuned, meter, best


def events(run: Run, kind: str) -> list[Event]:
    return [event for event in read_events(run.events_path)[0] if event["kind"] == kind]
