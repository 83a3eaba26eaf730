"""The command that prepares rows by many processes, here or on Slurm, before there is a run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from codetune_ui.commands.options import (
    AsJson,
    Assigned,
    Column,
    Data,
    DataDir,
    HomeDir,
    Model,
    PresetName,
)
from codetune_ui.commands.shared import (
    cancelled_or_failed,
    config_from,
    finish,
    home_of,
    live_line,
    say,
)
from codetune_ui.core.inputs import check_inputs
from codetune_ui.runs import prepared
from codetune_ui.runs.files import read_json
from codetune_ui.runs.follow import work
from codetune_ui.runs.store import Run

Name = Annotated[
    str | None, typer.Option(metavar="NAME", help="A name for the rows; the same again goes on.")
]
Processes = Annotated[
    int, typer.Option(metavar="N", min=1, max=4096, help="How many tasks at a time.")
]
Tasks = Annotated[
    int,
    typer.Option(metavar="N", min=0, max=100_000, help="Into how many parts; 0 sizes them."),
]
On = Annotated[
    str | None, typer.Option("--on", metavar="PLACE", help="here, or slurm:partition=cpu,time=….")
]


def prepare(
    preset_name: PresetName = None,
    model: Model = None,
    data: Data = None,
    column: Column = None,
    data_dir: DataDir = None,
    assigned: Assigned = None,
    name: Name = None,
    processes: Processes = 1,
    tasks: Tasks = 0,
    on: On = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Prepare the rows of a training by many processes; `train --rows NAME` begins with them.

    The rows are the same bytes whatever the number of processes. Ctrl-C leaves it; the same
    command with its --name goes on with what is not done.
    """
    where = home_of(home)
    chosen = preset_name or ("recommended" if model else "demo")
    config = config_from(chosen, model, data, column, data_dir, assigned)
    check_inputs(config)
    options = prepared.slurm_options(on)
    asked = prepared.Asked(processes=processes, tasks=tasks, options=options)
    job = prepared.create(where, config, name, asked)
    say(f"Rows '{job.name}'.")
    result = _follow(job)
    finish(result, _told(job, result), as_json)


def _follow(job: Run) -> dict[str, Any]:
    line = live_line()
    try:
        state = work(job, "prepare", line.say, line.count)
    finally:
        line.end()
    result = read_json(job.result_path)
    if state != "finished" or result is None:
        words = f"To go on, give the same command with --name {job.name}."
        cancelled_or_failed(job, state, words)
    return result


def _told(job: Run, result: dict[str, Any]) -> list[str]:
    lines = [
        f"{result['train_rows']:,} rows to train on and {result['val_rows']:,} held out, of "
        f"{result['kept']:,} files of {result['found']:,}, in {result['seconds']:,} s.",
    ]
    lines += [
        f"{step['step']:<6} {step['tasks']:>6,} tasks · {step['processor_seconds']:>9,} s of "
        f"processors · {step['peak_mb']:,} MB each at most"
        for step in result["steps"]
    ]
    return [*lines, f"Train on them: python app.py train --rows {job.name}"]
