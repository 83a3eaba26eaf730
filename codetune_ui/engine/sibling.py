"""A process that trains its share of each step beside a run's worker, and writes nothing."""

from __future__ import annotations

import os
import signal
import traceback
from dataclasses import replace

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.engine.report import Mute, NoWish
from codetune_ui.engine.seat import Seat, set_environment
from codetune_ui.engine.siblings import REFUSED, STARTED_BY_WORKER
from codetune_ui.runs.process import end_with_parent, leave_at_once
from codetune_ui.runs.store import Run


def train_along(run: Run, job: str, seat: Seat) -> int:
    """Do what the worker does between two steps, until it is done; return the exit status."""
    if os.environ.pop(STARTED_BY_WORKER, ""):
        end_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the worker's to obey: all stop at one step
    set_environment(seat, os.environ)
    try:
        _train(run, job, seat)
    except CodeTuneError as error:
        print(error, flush=True)  # noqa: T201 - the worker hands it on
        leave_at_once(REFUSED)
    except Exception:  # noqa: BLE001 - the last line of defence of this process
        traceback.print_exc()
        leave_at_once(1)
    return 0


def _train(run: Run, job: str, seat: Seat) -> None:
    from codetune_ui.engine import hardware, model
    from codetune_ui.engine.attempts import Task
    from codetune_ui.engine.hub import resolve_model
    from codetune_ui.engine.place import Place
    from codetune_ui.engine.producer import Producer
    from codetune_ui.engine.ranks import join
    from codetune_ui.engine.shard_load import parts_of_base

    hardware.set_threads(seat.local_size)
    ranks = join(seat)
    # The worker has the model and the first rows before it speaks.
    resume_from = ranks.tell(None)
    config, stop, machine = run.config(), NoWish(run), hardware.find_hardware()
    folder = resolve_model(config)
    precision = model.choose_precision(config, machine)
    place = Place(run, Mute(run, job), stop, machine, precision, ranks)
    place = replace(place, base_parts=parts_of_base(place, folder))
    producer = Producer(run, folder, stop)
    Task(place, producer, producer.prepared(), folder, None).fit(resume_from)
    ranks.leave()
