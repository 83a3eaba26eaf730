"""One training run: the base in 4 bit, an adapter, transformers' Trainer, and what it lacks.

Repaired here, each in one place: loss per target token over the whole step, rows in their fixed
order, a capped evaluation, saves that are whole or not there, figures without evaluation time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, set_seed

from codetune_ui.core.errors import MachineError
from codetune_ui.core.pack import IGNORE_INDEX, Row
from codetune_ui.engine import checkpoint
from codetune_ui.engine.arguments import training_arguments
from codetune_ui.engine.best import Best
from codetune_ui.engine.callbacks import Meter, Narrator, OwnChance, Stopper
from codetune_ui.engine.guard import Guard
from codetune_ui.engine.pace import Pace
from codetune_ui.engine.patience import with_room
from codetune_ui.engine.place import Place
from codetune_ui.engine.rows import (
    COUNTS,
    ShareOfRows,
    code_tokens,
    collate,
    for_model,
    target_tokens,
)
from codetune_ui.engine.scorecard import Reading, Scorecard, look_by_model
from codetune_ui.engine.trouble import gpu_lost, is_lack_of_memory, out_of_memory
from codetune_ui.runs.files import read_json

SPARE_BYTES = 64 * 2**20  # room beyond the checkpoint itself: logs, the adapter


def train_adapter(
    place: Place,
    model: Any,
    train_rows: Dataset[Row],
    val_rows: Dataset[Row],
    pace: Pace,
    *,
    resume_from: Path | None,
    rows_per_epoch: Callable[[], int | None] = lambda: None,
    scorecard: Scorecard | None = None,
) -> tuple[Meter, Best]:
    """Train the adapter on a `PeftModel` in place, to the end or to a wish to stop.

    Returns the meter with tokens and seconds of this job, and what the scorecards found. Raises
    `RunError` when loss or gradient stays no number, and `MachineError` when memory or disk do not
    suffice.
    """
    config, ranks = place.run.config(), place.ranks
    own = config.share(ranks.size)
    meter = Meter.from_dict(_manifest(resume_from))
    narrator = Narrator(
        place.reporter, place.hardware.device, config.global_batch_rows, rows_per_epoch
    )
    warn = partial(place.reporter.log, level="warning")
    kind = RowTrainer if pace.steps is None else FusedTrainer
    trainer = kind(
        place,
        meter,
        pace,
        Best(place.run, place.reporter, resumed=resume_from is not None or not ranks.first),
        scorecard,
        model=model,
        args=training_arguments(place, own, pace, resumed=resume_from is not None),
        train_dataset=ShareOfRows(train_rows, config.global_batch_rows, ranks.seat),
        eval_dataset=val_rows,
        callbacks=[
            narrator,
            Stopper(place.stop, place.reporter, ranks),
            Guard(meter, warn),
            OwnChance(config.seed, ranks.seat.rank),
        ],
    )
    # Before the first step, not at the first save: room for all that will be kept, and one beside.
    checkpoint.check_space(place.run, trainer.expected_bytes(config.keep_checkpoints + 1))
    try:
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
        meter.pause()
        if ranks.tell(place.stop()) != "discard":
            trainer.measure_holes()  # the last step may be none of those that were evaluated
    except (RuntimeError, MemoryError) as error:
        if is_lack_of_memory(error):
            raise out_of_memory(own, pace) from error
        if "CUDA error" in str(error):  # as torch says it, whatever befell the card
            raise gpu_lost(error, trainer.state.global_step) from error
        raise
    return meter, trainer.best


def seed_everything(seed: int) -> None:
    """Seed every generator; before the adapter is made, whose first weights are drawn."""
    set_seed(seed)


class RowTrainer(Trainer):  # type: ignore[misc]  # transformers is not typed
    """The Trainer on rows that are already shuffled, packed and on disk."""

    def __init__(
        self,
        place: Place,
        meter: Meter,
        pace: Pace,
        best: Best,
        scorecard: Scorecard | None,
        **usual: Any,
    ) -> None:
        self.place = place
        self.meter = meter
        self.pace = pace
        self.scorecard = scorecard
        self.best = best
        self.keep_checkpoints = place.run.config().keep_checkpoints
        self._passes, self._was_last = 0, True  # of the step at hand
        super().__init__(
            data_collator=self._collate(),
            compute_loss_func=self._token_loss,
            **usual,
        )
        self.remove_callback(PrinterCallback)
        if self.args.n_gpu > 1:
            raise MachineError(
                f"This process sees {self.args.n_gpu} GPUs, and may train on one alone.",
                "Set processes to the number of GPUs, or CUDA_VISIBLE_DEVICES to one of them.",
            )

    # --- loss

    def _token_loss(
        self, outputs: Any, labels: torch.Tensor, num_items_in_batch: int | None = None
    ) -> torch.Tensor:
        """Divide by the target tokens of the whole step, so that accumulation changes nothing."""
        nll, targets = summed_loss(outputs["logits"], labels)
        self.meter.add_loss(nll, targets)
        whole = targets if num_items_in_batch is None else num_items_in_batch
        return nll / torch.clamp(torch.as_tensor(whole, device=nll.device), min=1)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Do a pass, and after a step's last one add up what all processes found."""
        self.meter.run()
        ranks, last = self.place.ranks, self.accelerator.sync_gradients
        self._passes = 1 if self._was_last else self._passes + 1
        self._was_last = last
        left = self.args.gradient_accumulation_steps - self._passes
        # The others wait for one whose memory does not suffice at the step's end: all begin again.
        with (
            ranks.room_for_all(asked=last),
            self.pace.base.passes(1, back=True, then=left),
        ):
            loss = self._pass(model, for_model(inputs), *args, **kwargs)
        if last and ranks.size > 1:
            ranks.sum_in_place([*self._gradients(), *self.meter.step_sums()])
        return loss

    def _pass(self, *usual: Any, **named: Any) -> Any:
        return super().training_step(*usual, **named)

    def _gradients(self) -> list[torch.Tensor]:
        for parameter in (trained := [p for p in self.model.parameters() if p.requires_grad]):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in trained]

    def _get_num_items_in_batch(self, batch_samples: Sequence[Any], device: Any) -> int:  # noqa: ARG002
        """Count a step's target tokens, of all processes together."""
        counts = [sum(batch[name] for batch in batch_samples) for name in COUNTS]
        tokens, targets = self.place.ranks.sum_counts(*counts)
        self.meter.add_tokens(tokens)
        return targets

    # --- rows

    def get_batch_samples(self, *usual: Any, **named: Any) -> Any:
        """Let the Trainer fetch a step's rows, and count how long it takes."""
        with self.meter.spent.on("data"):
            return super().get_batch_samples(*usual, **named)

    def _collate(self) -> Callable[[Sequence[Row]], dict[str, Any]]:
        return partial(collate, flat=self.place.precision.attention == "flash_attention_2")

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        # The rows were shuffled when they were written: row i belongs to a fixed step, and a
        # resumed run goes on by an offset.
        return SequentialSampler(train_dataset or self.train_dataset)

    # --- figures

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Replace the mean of means by the mean per target token, and add the throughput."""
        if "loss" in logs:
            reading = self.meter.read()
            logs["loss"] = reading.loss
            logs["tokens_per_s"] = reading.tokens_per_s
            logs["tokens"] = self.meter.total_tokens
        super().log(logs, *args, **kwargs)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return the loss per target token over the held-out rows, and measure the holes."""
        self.meter.pause()
        with self.meter.spent.on("evaluations"):
            metrics = {"eval_loss": self._held_out_loss()}
            self.log(dict(metrics))
            self.measure_holes()
        if self.place.ranks.tell(self.best.has_waited_enough):
            self.control.should_training_stop = self.control.should_save = True
        told = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.control: Any = told
        return metrics

    def _held_out_loss(self) -> float:
        rows: Any = self.eval_dataset
        ranks, size = self.place.ranks, self.args.per_device_eval_batch_size
        self.model.eval()
        nll, targets = torch.zeros((), device=self.args.device), 0
        own = range(ranks.seat.rank * size, len(rows), ranks.size * size)
        most = len(range(0, len(rows), ranks.size * size))  # passes that another may make
        base = self.pace.base
        with ranks.room_for_all(), base.passes(most, back=False), torch.no_grad():
            for start in own:
                chosen = [rows[index] for index in range(start, min(start + size, len(rows)))]
                found = self._rows_loss(chosen)
                # Left on the device: while it computes, the next rows are laid out.
                nll, targets = nll + found[0], targets + found[1]
        self.model.train()
        ranks.sum_in_place([nll])
        return float(nll) / max(1, *ranks.sum_counts(targets))

    def _rows_loss(self, rows: Sequence[Row]) -> tuple[torch.Tensor, int]:
        """Return the summed loss of some rows and the count of their targets."""
        inputs = self._prepare_inputs(for_model(self.data_collator(rows)))
        labels = inputs.pop("labels")
        nll, targets = summed_loss(self.model(**inputs)["logits"], labels)
        return nll, int(targets)

    # --- scorecard

    def measure_holes(self) -> None:
        """Measure the held-out holes at this step, unless that was done already.

        The first process does; where the base is split the others go through it as often.
        """
        step, card = self.state.global_step, self.scorecard
        wanted = card is not None and not self.best.measured(step)
        holes = self.place.ranks.tell(len(card.items) if card and wanted else 0)
        if not holes:
            return
        ranks, base = self.place.ranks, self.pace.base
        self.model.eval()
        try:
            with ranks.room_for_all(), base.passes(holes, back=False), torch.no_grad():
                found = self._read_holes(card) if card else None
            if found is not None:
                self.best.take(step, found, self.model)
        except (RuntimeError, MemoryError) as error:
            if not is_lack_of_memory(error):
                raise
            if card:
                card.give_up()  # it is for the eye: a training goes on without it
            words = "The memory did not suffice for the held-out holes: they are measured no more."
            self.place.reporter.log(words, "warning")
            if base.parts > 1:
                raise  # its layers are as the pass left them: all begin again
        finally:
            self.model.train()
            if self.place.hardware.device == "cuda":
                torch.cuda.empty_cache()  # what the holes took is the training's again

    def _read_holes(self, card: Scorecard) -> Reading:
        return card.read(lambda row: look_by_model(self.model, row, card.vocabulary))

    # --- saves

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.meter.pause()
        place = self.place
        if not place.ranks.first:
            return
        with self.meter.spent.on("checkpoints"):
            with_room(
                *(place.run, place.reporter, place.stop),
                lambda: self._seal_checkpoint(model, trial),
            )

    def _seal_checkpoint(self, model: Any, trial: Any) -> None:
        """Let the Trainer write into a scratch folder; check, seal and rename that."""
        run, step = self.place.run, self.state.global_step
        usual = self.args.output_dir
        with checkpoint.scratch_for(run, self.expected_bytes()) as scratch:
            self.args.output_dir = str(scratch)
            try:
                super()._save_checkpoint(model, trial)
            finally:
                self.args.output_dir = usual
            written = checkpoint.commit(
                run, scratch / f"checkpoint-{step}", step, **self.meter.to_dict()
            )
        if problem := checkpoint.rotate(run, written, self.keep_checkpoints):
            words = (
                f"The checkpoint of step {step} cannot be read back ({problem}): older ones stay."
            )
            self.place.reporter.log(words, "warning")
        self.place.reporter.event(
            "checkpoint", step=step, name=written.name, bytes=checkpoint.size_bytes(written)
        )

    def _load_optimizer_and_scheduler(self, folder: str | None) -> None:
        """Load both where they are; else let the learning rate be that of the step all the same."""
        super()._load_optimizer_and_scheduler(folder)
        if folder is None or (Path(folder) / "scheduler.pt").exists():
            return
        schedule: Any = getattr(self.lr_scheduler, "scheduler", self.lr_scheduler)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the optimizer has made no step yet
            for _ in range(checkpoint.step_of(Path(folder))):
                schedule.step()

    def expected_bytes(self, checkpoints: int = 1) -> int:
        """Return what so many checkpoints take on disk, with some room beside them."""
        trained: int = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        return checkpoints * trained * 12 + SPARE_BYTES  # fp32 weights and Adam's two moments

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save_adapter(self.model, folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        checkpoint.load_adapter(model or self.model, Path(resume_from_checkpoint))


class FusedTrainer(RowTrainer):
    """The same with steps of the fused engine: the rows of a step come as one batch."""

    def _collate(self) -> Callable[[Sequence[Row]], dict[str, Any]]:
        return lambda rows: {
            "rows": rows,
            "tokens": code_tokens(rows),
            "targets": target_tokens(rows),
        }

    def _pass(self, _model: Any, inputs: dict[str, Any], whole: int) -> Any:
        """Leave the step's gradients in the parameters; return its mean loss."""
        assert self.pace.steps is not None
        way = self.pace.steps.way
        nll, targets = self.pace.steps.step(inputs["rows"], whole)
        if self.pace.steps.way != way:
            now = self.pace.steps.way.words()
            self.place.reporter.log(f"The memory did not suffice: going on with {now}.", "warning")
        self.meter.add_loss(nll, targets)
        return nll / max(1, targets)

    def _rows_loss(self, rows: Sequence[Row]) -> tuple[torch.Tensor, int]:
        assert self.pace.steps is not None
        return self.pace.steps.loss(rows)

    def _read_holes(self, card: Scorecard) -> Reading:
        steps = self.pace.steps
        assert steps is not None
        return card.read(
            lambda row: steps.look(row, card.vocabulary),
            room=self.place.run.config().max_seq_len,
            padded=self.place.hardware.device == "cuda",
        )

    def floating_point_ops(self, _inputs: Any) -> int:
        """Return 0: the Trainer's guess needs inputs that are not here."""
        return 0


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed cross-entropy of the next tokens, and how many carry loss.

    logits (rows, tokens, vocabulary), labels (rows, tokens) with -100 where none is asked.
    """
    targets = F.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX)
    nll = F.cross_entropy(
        logits.float().flatten(0, 1),
        targets.flatten(),
        ignore_index=IGNORE_INDEX,
        reduction="sum",
    )
    return nll, (targets != IGNORE_INDEX).sum()


def _manifest(resume_from: Path | None) -> dict[str, Any]:
    return (read_json(resume_from / checkpoint.MANIFEST) if resume_from else None) or {}
