"""The commands that read code, train on it, and tell of runs and of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from codetune_ui.commands.options import (
    AsJson,
    Assigned,
    Cards,
    Column,
    Data,
    DataDir,
    HomeDir,
    Model,
    PreparedRows,
    PresetName,
    RunName,
    SplitBase,
    Where,
)
from codetune_ui.commands.queue import swept, told_waiting, train_and_follow
from codetune_ui.commands.shared import (
    cancelled_or_failed,
    changes_typed,
    config_from,
    fail,
    finish,
    home_of,
    live_line,
    say,
)
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, ConfigError
from codetune_ui.core.inputs import check_inputs, local_documents, local_model
from codetune_ui.core.preview import preview as show
from codetune_ui.core.source import Document
from codetune_ui.core.sources import is_git_url, is_hub_source, parse_sources
from codetune_ui.runs import doctor as machine
from codetune_ui.runs.cards import check_here
from codetune_ui.runs.doctor_findings import findings
from codetune_ui.runs.elsewhere import check_place, choose, place
from codetune_ui.runs.files import read_json
from codetune_ui.runs.follow import work
from codetune_ui.runs.placement import HERE, whereabouts
from codetune_ui.runs.prepared import config_on, lend
from codetune_ui.runs.process import WEIGHTS_ONLY, stop_and_wait
from codetune_ui.runs.queue import drop, enter
from codetune_ui.runs.state import ENDED
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.sweeps import start_sweep
from codetune_ui.runs.terminal import plain, row, summary

FIGURES = (
    *("steps", "loss_first", "loss_last", "val_loss_first", "val_loss_last", "tokens_per_second"),
    *("peak_memory_gib", "estimated_memory_gib", "seconds", "adapter"),
    *("adapter_step", "adapter_why", "spent"),
)

TOLD = ("pins", "bitsandbytes_builds")  # facts that only the findings speak of


def scan(
    data: Data = None,
    model: Model = None,
    column: Column = None,
    data_dir: DataDir = None,
    assigned: Assigned = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Say what is kept, what is dropped and why, languages, characters per token, split."""
    where = home_of(home)
    _, report = _scan(where, config_from(None, model, data, column, data_dir, assigned))
    finish(report, summary(report), as_json)


def preview(
    data: Data = None,
    model: Model = None,
    samples: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other holes.")] = 0,
    column: Column = None,
    data_dir: DataDir = None,
    assigned: Assigned = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Show samples as the model will read them: prefix, middle, suffix, ids and labels."""
    where = home_of(home)
    config = config_from(None, model, data, column, data_dir, assigned).replace(seed=seed)
    documents, folder = _read(where, config)
    found = show(documents, folder, config, samples)
    lines = [f"{found['family'] or 'left to right only'} {' '.join(found['orders'])}"]
    for sample in found["samples"]:
        lines += ["", f"── {sample['path']} · {sample['mode']} · {len(sample['input_ids'])} tokens"]
        lines.append(f"{sample['prefix']}⟦{sample['middle']}⟧{sample['suffix']}")
    finish(found, lines, as_json)


def train(
    preset_name: PresetName = None,
    model: Model = None,
    data: Data = None,
    column: Column = None,
    data_dir: DataDir = None,
    assigned: Assigned = None,
    cards: Cards = None,
    split_base: SplitBase = None,
    name: Annotated[str | None, typer.Option(metavar="RUN", help="A name for the run.")] = None,
    rows: PreparedRows = None,
    sweep: Annotated[
        str | None,
        typer.Option("--sweep", metavar="NAME=V1,V2", help="One run per value of this setting."),
    ] = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="Put it in the queue, and do not follow it.")
    ] = False,
    on: Where = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Train an adapter and follow it to its end; while another trains it waits for its turn.

    Ctrl-C asks it to stop and save.
    """
    where = home_of(home)
    prepared = where.prepared(rows) if rows else None
    if prepared is not None and (preset_name or sweep):
        message = "Prepared rows bring their settings, for one run at a time."
        raise ConfigError(message, "Leave --preset and --sweep away.")
    chosen = preset_name or ("recommended" if model else "demo")
    named = [*(assigned or []), *([f"cards={cards}"] if cards else [])]
    named += [f"split_base={split_base}"] if split_base else []
    typed = (model, data, column, data_dir, named)
    config = config_on(prepared, changes_typed(*typed)) if prepared else config_from(chosen, *typed)
    configs = swept(config, sweep) if sweep else {"": config}
    placement = choose(on or HERE)
    for one in configs.values():
        if prepared is None:
            check_inputs(one)
        check_place(one, placement)
    if sweep:
        told_waiting(start_sweep(where, name, configs, placement), as_json)
        return
    run = where.create_run(config, name)
    if prepared is not None:
        lend(prepared, run)
    place(run, placement)
    if queue:
        enter(where, [run])
        told_waiting([run], as_json)
        return
    say(f"Run '{run.name}'. It goes on if this terminal is closed.")
    try:
        _train(run, "train", as_json)
    except CodeTuneError:
        if run.status().state == "created":  # nobody took it: the next try has its name again
            where.delete(run)
        raise


def resume(
    run: RunName,
    weights_only: Annotated[
        bool,
        typer.Option("--weights-only", help="Where its optimizer is damaged: begin that anew."),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(metavar="N", help="Go on with another number of processes."),
    ] = None,
    cards: Cards = None,
    split_base: SplitBase = None,
    on: Where = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Go on from the last good checkpoint, and follow to the end."""
    found = home_of(home).run(run)
    placed = (processes, cards, split_base)
    if any(value is not None for value in placed) and not found.alive():
        check_here(found.config().divide_among(*placed))
        found.divide_among(*placed)
    if on is not None:
        place(found, choose(on))
    again = WEIGHTS_ONLY if weights_only else "resume"
    _train(found, "train" if found.state() == "created" else again, as_json)


def stop(
    run: RunName,
    discard: Annotated[bool, typer.Option("--discard", help="Keep no adapter of it.")] = False,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Stop a run after its step and save it; a worker that does not answer is ended."""
    found = home_of(home).run(run)
    if found.state() == "waiting":
        drop(found)
    if found.alive():
        say(f"Stopping '{run}'; after a minute without an answer it is ended.")
    state = stop_and_wait(found, discard=discard)
    finish({"run": run, "state": state}, [f"'{run}' is {state}."], as_json)
    if state not in ENDED | {"created"}:
        raise typer.Exit(1)


def runs(as_json: AsJson = False, home: HomeDir = None) -> None:
    """List all runs, the newest first."""
    rows = [row(run) for run in home_of(home).runs()]
    lines = [
        f"{row['run']:<24} {row['state']:<10} {row['steps']:>6,} steps  {row['base_model']}"
        for row in rows
    ]
    finish({"runs": rows}, lines or ["There are no runs yet."], as_json)


def doctor(
    hub: Annotated[bool, typer.Option("--hub", help="Ask whether the Hub answers.")] = False,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Say what this machine and this installation have, what is wrong, and how to mend it."""
    facts = machine.examine(home_of(home), ask_hub=hub)
    found = findings(facts)
    lines = [f"{one['level']:<8} {one['what']:<14} {one['says']} {one['mend']}" for one in found]
    lines.append("")
    for name, value in facts.items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        lines += [f"{name:<16} {key:<13} {plain(fact)}" for key, fact in parts if name not in TOLD]
    finish({"findings": found, **facts}, lines, as_json)
    if any(one["level"] == "broken" for one in found):
        raise typer.Exit(1)


# --- how they do it


def _scan(where: Home, config: Config) -> tuple[Run, dict[str, Any]]:
    run = where.create_scan(config)
    line = live_line()
    try:
        state = work(run, "scan", line.say, line.count)
    finally:
        line.end()
    report = read_json(run.path / "report.json")
    if state != "finished" or report is None:
        cancelled_or_failed(run, state, "The scan was cancelled.")
    return run, report


def _read(where: Home, config: Config) -> tuple[list[Document], Path]:
    """Return the documents to train on and the model's folder; by a scan if others are asked."""
    folder = local_model(config)
    places = [spec.place for spec in parse_sources(config.source)]
    if folder is not None and not any(is_hub_source(p) or is_git_url(p) for p in places):
        return local_documents(config), folder
    run, report = _scan(where, config)
    lines = (run.path / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["split"] == "train"]
    fields = ("text", "path", "language", "group")
    return [Document(*(row[name] for name in fields)) for row in rows], Path(report["model"])


def _train(run: Run, job: str, as_json: bool) -> None:
    if sentence := whereabouts(run.path):
        say(sentence)
    state = train_and_follow(run, job)
    whole = state in ("finished", "stopped")
    figures = dict.fromkeys(FIGURES) | ((run.result() or {}) if whole else {})
    result = figures | {"run": run.name, "state": state}
    if not whole:
        if as_json:
            finish(result, [], as_json)
        fail(run)
    lines = [f"{name:<22} {plain(value)}" for name, value in result.items()]
    finish(result, lines, as_json)
