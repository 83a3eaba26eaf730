"""One process per job: `python -m codetune_ui.engine.worker JOB RUN_DIR`.

The worker holds the run's lock for its whole life and is the one writer of its status, events and
result. Everything heavy is imported after the first status is on disk. A training may have several
processes: the worker is the first of them, started alone or all of them by `accelerate launch`.
"""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from codetune_ui.core.errors import CodeTuneError, RunError
from codetune_ui.engine.report import Reporter, StopRequested, StopWish, quietly
from codetune_ui.engine.seat import (
    Seat,
    check_cards,
    set_environment,
    sit_alone,
    take_cards,
    take_seat,
)
from codetune_ui.runs.compiled import lay_out
from codetune_ui.runs.elsewhere import claim
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.leftovers import discard_attempt
from codetune_ui.runs.lock import LockHeldError
from codetune_ui.runs.process import WEIGHTS_ONLY, leave_at_once
from codetune_ui.runs.store import Home, Run

if TYPE_CHECKING:
    from codetune_ui.engine.place import Place
    from codetune_ui.engine.producer import Producer
    from codetune_ui.engine.scorecard import Scorecard
    from codetune_ui.engine.siblings import Siblings

# A job returns what is to be said of its end, where its state does not say it all.
Job = Callable[[Run, Reporter, StopWish], str | None]


def main(arguments: list[str]) -> int:
    """Run one job on one folder; return 0 done or stopped, 1 unexpected, 2 refused."""
    seat = take_seat(os.environ)
    train = partial(train_job, given=seat)
    jobs: dict[str, Job] = {
        "scan": scan_job,
        "train": train,
        "resume": train,
        WEIGHTS_ONLY: train,
        "evaluate": evaluate_job,
        "benchmark": benchmark_job,
        "export": export_job,
        "prepare": prepare_job,
    }
    if len(arguments) != 2 or arguments[0] not in jobs:
        sys.stderr.write(f"usage: python -m codetune_ui.engine.worker {'|'.join(jobs)} RUN_DIR\n")
        return 2
    job, run = arguments[0], Run(Path(arguments[1]).resolve())
    if not run.config_path.exists():  # deleted meanwhile; its lock would bring the folder back
        sys.stderr.write(f"There is no '{run.name}'.\n")
        return 2
    if seat is not None and seat.rank:
        from codetune_ui.engine.sibling import train_along

        return train_along(run, job, seat)
    try:
        with claim(run.path, run.lock_path):
            code = _work(job, run, jobs[job])
    except LockHeldError:
        sys.stderr.write(f"Another worker holds '{run.name}'.\n")
        return 2
    if code and jobs[job] is train:
        leave_at_once(code)  # the interpreter's end may wait for processes that are gone
    return code


def _work(job: str, run: Run, do: Job) -> int:
    reporter = Reporter(run, job)
    stop = StopWish(run)
    stop.listen()
    reporter.open()
    lay_out(Home.current())
    try:
        words = do(run, reporter, stop) or ""
        short = stop() and reporter.cut_short
        reporter.state("stopped" if short else "finished", phase="", message=words)
        code = 0
    except StopRequested:
        _after_stop(run, stop)
        reporter.state("stopped", phase="")
        code = 0
    except CodeTuneError as error:
        _fail(reporter, error.message, error.hint, refused=True)
        code = 2
    except Exception as error:  # noqa: BLE001 - the one place where a job's surprise ends
        quietly(traceback.print_exc)
        code = _surprise(reporter, error)
    finally:
        reporter.close()
    return code


def _after_stop(run: Run, stop: StopWish) -> None:
    if stop() == "discard":
        discard_attempt(run)


def _surprise(reporter: Reporter, error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "Free some space, then resume the run."
        _fail(reporter, "The disk is full.", hint, refused=True)
        return 2
    words = (str(error).strip().splitlines() or [type(error).__name__])[0]
    _fail(reporter, f"It stopped with an unexpected error: {words}", "See the log.")
    return 1


def _fail(reporter: Reporter, message: str, hint: str, *, refused: bool = False) -> None:
    reporter.log(f"{message} {hint}".strip(), "error")
    reporter.state("failed", phase="", message=message, hint=hint, refused=refused)


def scan_job(run: Run, reporter: Reporter, stop: StopWish) -> None:
    """Read the source and count, without a model in memory."""
    from codetune_ui.engine.scan import scan

    reporter.phase("Reading the code")
    scan(run, reporter, stop)


def train_job(run: Run, reporter: Reporter, stop: StopWish, *, given: Seat | None = None) -> str:
    """Prepare, train, and put the adapter in its place; go on where a good checkpoint lies.

    given: this process's seat, where a launcher has started the others too.
    """
    from codetune_ui.engine.hub import resolve_model
    from codetune_ui.engine.libraries import Libraries
    from codetune_ui.engine.producer import Producer
    from codetune_ui.engine.siblings import Siblings
    from codetune_ui.runs.lease import acquire
    from codetune_ui.runs.queue import leave

    config = run.config()
    began = time.monotonic()
    if given is None:
        take_cards(config, os.environ)
    machine = dict(os.environ)
    seat = given or _first_of(config.processes)
    config.share(seat.size)  # refused here, where a launcher's number does not fit
    set_environment(seat, os.environ)
    run.result_path.unlink(missing_ok=True)
    reporter.phase("Looking for the base model")
    _free_accelerator(run, reporter)
    with acquire(run.home, run.name, "training"):
        leave(run)  # its turn has come
        folder = resolve_model(config)
        stop.check()
        reporter.phase("Reading the code")
        with Producer(run, folder, stop) as producer:
            libraries = Libraries(folder)
            with Siblings(
                run, reporter.status.job, seat, machine, partial(_give_up, reporter)
            ) as beside:
                if given is None:
                    beside.start()
                # A wrong source is told now, not after ten seconds of imports.
                producer.wait_for("cutting")
                reporter.phase("Cutting samples")
                libraries.wait(stop)
                return _train(run, reporter, stop, producer, beside, folder, began)


def _first_of(processes: int) -> Seat:
    """Return the worker's seat among processes of this machine, if that has a card for each."""
    seat = Seat(size=processes, local_size=processes)
    if processes > 1:
        from codetune_ui.runs.doctor import gpus

        check_cards(seat, os.environ, len(gpus()))
    return seat


def _give_up(reporter: Reporter, error: CodeTuneError) -> None:
    """End this process at once: what it waits for will never come."""
    _fail(reporter, error.message, error.hint)
    reporter.close()
    leave_at_once(1)


def evaluate_job(job: Run, reporter: Reporter, stop: StopWish) -> None:
    """Ask a run's base and adapter for the same holes; the job's folder is the evaluation's own."""
    from codetune_ui.runs.evaluations import find_run
    from codetune_ui.runs.lease import acquire

    run = find_run(job)
    sit_alone(run.config(), os.environ)
    _free_accelerator(job, reporter)
    with acquire(job.home, run.name, "evaluating"):
        reporter.phase("Reading the held-out code")
        from codetune_ui.engine.evaluate import evaluate

        evaluate(job, reporter, stop)


def benchmark_job(job: Run, reporter: Reporter, stop: StopWish) -> None:
    """Measure a run's base and adapter, or a base alone, on a published benchmark."""
    from codetune_ui.runs.benchmarks import find_run
    from codetune_ui.runs.lease import acquire

    run = find_run(job)
    sit_alone(run.config() if run else None, os.environ)
    _free_accelerator(job, reporter)
    with acquire(job.home, run.name if run else job.name, "measuring"):
        from codetune_ui.engine.benchmark import measure

        measure(job, reporter, stop)


def export_job(job: Run, reporter: Reporter, stop: StopWish) -> None:
    """Write a run's adapter as files for other programs; the job's folder is the export's own."""
    from codetune_ui.engine.export import export
    from codetune_ui.engine.hub import resolve_model
    from codetune_ui.runs.exports import find_run
    from codetune_ui.runs.lease import acquire

    run = find_run(job)
    sit_alone(run.config(), os.environ)
    reporter.phase("Looking for the base model")
    folder = resolve_model(run.config())
    _free_accelerator(job, reporter)
    with acquire(job.home, run.name, "exporting"):
        export(job, folder, reporter, stop)


def prepare_job(job: Run, reporter: Reporter, stop: StopWish) -> None:
    """Prepare rows by many processes, here or on Slurm; the job's folder is the preparation's."""
    from codetune_ui.engine.parts.job import prepare

    reporter.phase("Looking at the code")
    prepare(job, reporter, stop)


def _free_accelerator(run: Run, reporter: Reporter) -> None:
    """End a completion server that has the accelerator: it starts again when it is asked."""
    from codetune_ui.runs.client import stop_server
    from codetune_ui.runs.lease import PLAYGROUND, holder

    held = holder(run.home)
    if held is not None and held.name == PLAYGROUND:
        stop_server(run.home)
        reporter.log("The playground's model made room.")


def _train(
    run: Run,
    reporter: Reporter,
    stop: StopWish,
    producer: Producer,
    beside: Siblings,
    folder: Path,
    began: float,
) -> str:
    from codetune_ui.engine import checkpoint, hardware, model
    from codetune_ui.engine.account import result_of, tell_plan
    from codetune_ui.engine.attempts import Task
    from codetune_ui.engine.patience import with_room
    from codetune_ui.engine.place import Place
    from codetune_ui.engine.ranks import join
    from codetune_ui.engine.resume import resume_point
    from codetune_ui.engine.shard_load import parts_of_base

    config = run.config()
    hardware.set_threads(beside.seat.local_size)
    machine = hardware.find_hardware()
    precision = model.choose_precision(config, machine)
    ranks = join(beside.seat, beside.listener)
    place = Place(run, reporter, stop, machine, precision, ranks)
    checkpoint.clear_scratch(run)
    resume_from = resume_point(run, reporter, folder)
    # --- rows
    prepared = producer.wait_for("ready")
    resume_from = ranks.tell(resume_from)
    place = replace(place, base_parts=parts_of_base(place, folder))
    tell_plan(place, prepared, folder, resume_from)
    # --- model, pace, loop
    task = Task(place, producer, prepared, folder, _scorecard(place, folder))
    fitted = task.fit(resume_from)
    ranks.leave()
    checkpoint.clear_scratch(run)  # what a run went on from whose optimizer was damaged
    if stop() == "discard":
        raise StopRequested
    # --- adapter
    reporter.phase("Saving the adapter")
    best = fitted.best
    last = reporter.status.step
    kept = with_room(run, reporter, stop, lambda: best.publish(fitted.tuned, last))
    early = "" if stop() else best.early(reporter.status.step)
    for sentence in (early, kept.why if best.scores else ""):
        if sentence:
            reporter.log(sentence)
    start, seconds = fitted.began - began, time.monotonic() - began
    replace_json(run.result_path, result_of(place, fitted.meter, kept, start, seconds))
    if early or not reporter.cut_short:
        best.forget()
    return early


def _scorecard(place: Place, folder: Path) -> Scorecard | None:
    """Cut the holes that are measured at each evaluation; a run goes on without them."""
    from codetune_ui.core.families import find_format
    from codetune_ui.core.tokens import CodeTokenizer
    from codetune_ui.engine.generate import PROMPT_TOKENS
    from codetune_ui.engine.scorecard import make_scorecard

    tokenizer = CodeTokenizer.from_folder(folder)
    format = find_format(tokenizer, folder, place.run.config())
    try:
        most = PROMPT_TOKENS[place.hardware.device]
        return make_scorecard(place.run, tokenizer, format, most)
    except RunError as error:
        place.reporter.log(f"No holes are measured on the way: {error.message}", "warning")
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
