"""A training from the loaded model to its last step, begun again where the memory does not suffice.

What a pass takes was measured, but another program may come and take some of it. Then the model is
loaded anew, in passes half as large, and the training goes on from its last good checkpoint.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from codetune_ui.core.config import Config
from codetune_ui.core.errors import RunError
from codetune_ui.engine import checkpoint, model, train
from codetune_ui.engine.best import Best
from codetune_ui.engine.callbacks import Meter
from codetune_ui.engine.pace import Pace, choose_pace
from codetune_ui.engine.place import Place
from codetune_ui.engine.producer import Prepared, Producer, rows_needed
from codetune_ui.engine.report import Reporter
from codetune_ui.engine.rows import RowFile
from codetune_ui.engine.scorecard import Scorecard
from codetune_ui.engine.shard import WHOLE, WholeBase
from codetune_ui.engine.shard_load import load_split_base
from codetune_ui.engine.trouble import NoRoomError
from codetune_ui.runs.store import Run

MOST_AGAIN = 3  # times that a training is begun again


@dataclass(frozen=True)
class Fitted:
    """A trained `PeftModel`, what was counted and found, and when its training began."""

    tuned: Any
    meter: Meter
    best: Best
    began: float


@dataclass(frozen=True)
class Task:
    """What is trained, and from what; folder: the base model's."""

    place: Place
    producer: Producer
    prepared: Prepared
    folder: Path
    scorecard: Scorecard | None

    def fit(self, resume_from: Path | None) -> Fitted:
        """Load the base and train to the end, or to a wish to stop.

        Raises `MachineError` when the memory does not suffice in the smallest way, or too often.
        """
        run, reporter = self.place.run, self.place.reporter
        ranks, again = self.place.ranks, 0
        config = run.config().share(ranks.size)
        while True:
            try:
                return self._attempt(config, resume_from)
            except NoRoomError as error:
                if error.smaller is None or again == MOST_AGAIN:
                    raise
                config = error.smaller
                reporter.log(_going_on(error, config), "warning")
            # Outside: the error holds all that lay in the memory.
            again += 1
            gc.collect()
            if self.place.hardware.device == "cuda":
                torch.cuda.empty_cache()
            resume_from = ranks.tell(checkpoint.newest_good(run)[0] or resume_from)
            if resume_from is None:
                reporter.event("resume", step=0)  # who watches forgets the steps until now

    def _attempt(self, config: Config, resume_from: Path | None) -> Fitted:
        place, reporter = self.place, self.place.reporter
        # --- model
        reporter.phase("Loading the base model")
        train.seed_everything(config.seed)  # before the adapter, whose first weights are drawn
        base, split = self._load(config)
        tuned = model.attach_adapter(base, config)
        place.stop.check()
        # --- pace
        training, held_out = _row_files(place.run, self.producer, self.prepared)
        some = [training[index] for index in range(min(2, len(training)))]
        pace = choose_pace(tuned, config, place.precision, some, place.ranks, split)
        _tell_pace(reporter, pace)
        place.stop.check()
        # --- loop
        first = checkpoint.step_of(resume_from) if resume_from else 0
        reporter.state("running", step=first, total_steps=config.max_steps)
        if resume_from:
            reporter.event("resume", step=first)
        reporter.phase("Training")
        began = time.monotonic()
        meter, best = train.train_adapter(
            place,
            tuned,
            training,
            held_out,
            pace,
            resume_from=resume_from,
            rows_per_epoch=self.producer.rows_per_epoch,
            scorecard=self.scorecard,
        )
        return Fitted(tuned, meter, best, began)

    def _load(self, config: Config) -> tuple[Any, WholeBase]:
        """Load the base, whole or this process's part of it."""
        place = self.place
        if place.base_parts > 1:
            return load_split_base(config, self.folder, place)
        device = place.hardware.device
        return model.load_base(config, self.folder, device=device, training=True), WHOLE


def _going_on(error: NoRoomError, config: Config) -> str:
    rows = config.micro_batch_rows
    what = f"{rows} row{'' if rows == 1 else 's'} per pass, all layers computed twice"
    return f"{error.message} Going on from the last checkpoint with {what}."


def _row_files(run: Run, producer: Producer, prepared: Prepared) -> tuple[RowFile, RowFile]:
    """Open the training rows, which are still being written, and the held-out rows."""
    config, folder = run.config(), run.dataset_dir
    length = config.max_seq_len
    training = RowFile(
        folder / "train.rows", length, rows_needed(config), wait=producer.wait_for_rows
    )
    return training, RowFile(folder / "val.rows", length, prepared.val_rows, wait=_never)


def _never(rows: int) -> None:
    raise RunError(f"The held-out rows are incomplete ({rows} wanted).", "Start a new run.")


def _tell_pace(reporter: Reporter, pace: Pace) -> None:
    """Say which engine trains, and how; what a pass takes was measured, where it can be."""
    measured = {} if pace.memory_gib is None else {"estimated_memory_gib": pace.memory_gib}
    reporter.log(pace.sentence)
    reporter.event(
        "pace",
        engine=pace.way.engine,
        micro_batch_rows=pace.way.rows,
        again=pace.way.again,
        **measured,
    )
