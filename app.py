"""The command line of CodeTune UI; without a sub-command it opens the page.

Every sub-command takes --json: progress goes to stderr, and the last line of stdout is one JSON
object. Exit status: 0 done, 1 the job failed, 2 the input was refused.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from codetune_ui.core.completion import BASE, adapter_model
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, ConfigError, MachineError
from codetune_ui.core.evaluation import HOLES, Request
from codetune_ui.core.evaluation import summary as verdict
from codetune_ui.core.holes import ALL_KINDS, parse_kinds
from codetune_ui.core.inputs import check_inputs, local_documents, local_model
from codetune_ui.core.presets import parse_assignments, preset
from codetune_ui.core.preview import preview as show
from codetune_ui.core.source import Document
from codetune_ui.core.sources import format_sources, is_git_url, is_hub_source, parse_sources
from codetune_ui.runs import doctor as machine
from codetune_ui.runs import evaluations
from codetune_ui.runs.files import read_json
from codetune_ui.runs.follow import work
from codetune_ui.runs.options import (
    AsJson,
    Assigned,
    Column,
    Data,
    DataDir,
    EvaluatedRun,
    HoleCount,
    HomeDir,
    Kinds,
    Model,
    Neighbours,
    PathInTree,
    PresetName,
    RunName,
    RunOption,
    Seed,
)
from codetune_ui.runs.process import stop_and_wait
from codetune_ui.runs.state import ENDED
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.terminal import LiveLine, plain, row, summary

CANCELLED = 130  # as a shell says it of a program that Ctrl-C ended
LOOPBACK = ("127.0.0.1", "localhost", "::1")
FIGURES = (
    *("steps", "loss_first", "loss_last", "val_loss_first", "val_loss_last", "tokens_per_second"),
    *("peak_memory_gib", "estimated_memory_gib", "seconds", "adapter"),
)


class Refusing(TyperGroup):
    """Says the app's own errors in one sentence on stderr, and exits with 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run a sub-command."""
        try:
            return super().invoke(ctx)
        except CodeTuneError as error:
            say(str(error))
            raise typer.Exit(2) from None


cli = typer.Typer(
    cls=Refusing,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# --- the page


@cli.callback(invoke_without_command=True)
def page(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The address to answer on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port.", min=1, max=65535)] = machine.PAGE_PORT,
    auth: Annotated[
        str | None, typer.Option(metavar="USER:PASSWORD", help="Let in only who knows it.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    home: HomeDir = None,
) -> None:
    """Teach a code model your own code, on this machine. Without a command: open the page."""
    where = _home(home)
    if ctx.invoked_subcommand is not None:
        return
    login = _check_page(host, port, auth)
    from codetune_ui.ui.page import serve as serve_page  # loads gradio

    say(f"CodeTune UI on http://{host}:{port} — Ctrl-C closes the page, a training goes on.")
    with suppress(KeyboardInterrupt):  # how it is meant to end
        serve_page(where, host=host, port=port, auth=login, open_browser=not no_browser)


def _check_page(host: str, port: int, auth: str | None) -> tuple[str, str] | None:
    """Refuse at once what the page would refuse after three seconds of imports."""
    user, _, password = (auth or "").partition(":")
    if auth is not None and not (user and password):
        raise ConfigError("--auth needs a name and a password.", "Write --auth USER:PASSWORD.")
    if host not in LOOPBACK and auth is None:
        raise MachineError(
            f"Others could reach the page on {host}, and it has no password.",
            "Add --auth USER:PASSWORD, or leave --host away.",
        )
    if host in LOOPBACK and not machine.port_is_free(port, host):
        raise MachineError(f"Port {port} is taken.", f"Try --port {port + 1}.")
    return (user, password) if auth else None


# --- jobs


@cli.command()
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
    where = _home(home)
    _, report = _scan(where, _config(None, model, data, column, data_dir, assigned))
    finish(report, summary(report), as_json)


@cli.command()
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
    where = _home(home)
    config = _config(None, model, data, column, data_dir, assigned).replace(seed=seed)
    documents, folder = _read(where, config)
    found = show(documents, folder, config, samples)
    lines = [f"{found['family'] or 'left to right only'} {' '.join(found['orders'])}"]
    for sample in found["samples"]:
        lines += ["", f"── {sample['path']} · {sample['mode']} · {len(sample['input_ids'])} tokens"]
        lines.append(f"{sample['prefix']}⟦{sample['middle']}⟧{sample['suffix']}")
    finish(found, lines, as_json)


@cli.command()
def train(
    preset_name: PresetName = None,
    model: Model = None,
    data: Data = None,
    column: Column = None,
    data_dir: DataDir = None,
    assigned: Assigned = None,
    name: Annotated[str | None, typer.Option(metavar="RUN", help="A name for the run.")] = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Train an adapter and follow it to its end; Ctrl-C asks it to stop and save."""
    where = _home(home)
    chosen = preset_name or ("recommended" if model else "demo")
    config = _config(chosen, model, data, column, data_dir, assigned)
    check_inputs(config)
    run = where.create_run(config, name)
    say(f"Run '{run.name}'. It goes on if this terminal is closed.")
    _train(run, "train", as_json)


@cli.command()
def resume(run: RunName, as_json: AsJson = False, home: HomeDir = None) -> None:
    """Go on from the last good checkpoint, and follow to the end."""
    _train(_home(home).run(run), "resume", as_json)


@cli.command()
def stop(
    run: RunName,
    discard: Annotated[bool, typer.Option("--discard", help="Keep no adapter of it.")] = False,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Stop a run after its step and save it; a worker that does not answer is ended."""
    found = _home(home).run(run)
    if found.alive():
        say(f"Stopping '{run}'; after a minute without an answer it is ended.")
    state = stop_and_wait(found, discard=discard)
    finish({"run": run, "state": state}, [f"'{run}' is {state}."], as_json)
    if state not in ENDED | {"created"}:
        raise typer.Exit(1)


@cli.command()
def runs(as_json: AsJson = False, home: HomeDir = None) -> None:
    """List all runs, the newest first."""
    rows = [row(run) for run in _home(home).runs()]
    lines = [
        f"{row['run']:<24} {row['state']:<10} {row['steps']:>6,} steps  {row['base_model']}"
        for row in rows
    ]
    finish({"runs": rows}, lines or ["There are no runs yet."], as_json)


@cli.command()
def doctor(as_json: AsJson = False, home: HomeDir = None) -> None:
    """Say what this machine and this installation have."""
    facts = machine.examine(_home(home))
    lines = []
    for name, value in facts.items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        lines += [f"{name:<16} {key:<13} {plain(fact)}" for key, fact in parts]
    finish(facts, lines, as_json)


# --- completions


@cli.command()
def infill(
    prefix_file: Annotated[Path, typer.Option(metavar="P", help="The code before the hole.")],
    suffix_file: Annotated[Path, typer.Option(metavar="S", help="The code after the hole.")],
    run: RunOption = None,
    model: Model = None,
    path: PathInTree = "",
    neighbour: Neighbours = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Fill a hole with the base model and, for a run, with its adapter too."""
    from codetune_ui.runs import infill as server  # loads httpx

    where = _home(home)
    sides = server.read_text(prefix_file), server.read_text(suffix_file)
    hole = server.Hole(*sides, path, server.read_neighbours(neighbour or []))
    found = server.infill(where, server.served(where, run, model), run, hole, say)
    lines = []
    for who in ("base", "adapter"):
        if answer := found[who]:
            lines += [f"── {who} · {answer['tokens']} tokens in {answer['ms_total']:,.0f} ms"]
            lines += [answer["text"]]
    finish(found, lines, as_json)


@cli.command()
def serve(
    run: RunOption = None,
    model: Model = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8012,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Answer completion requests on this machine until Ctrl-C."""
    from codetune_ui.runs import infill as server  # loads httpx

    def tell(url: str, token: str) -> None:
        models = [BASE, *([adapter_model(run)] if run else [])]
        lines = [f"{url}/v1 answers for {', '.join(models)}", f"Token: {token}"]
        finish({"url": url, "token": token, "models": models}, lines, as_json)

    where = _home(home)
    config = server.served(where, run, model)
    raise typer.Exit(server.serve_in_foreground(where, config, run, port, tell))


@cli.command()
def evaluate(
    name: EvaluatedRun = None,
    run: RunOption = None,
    holes: HoleCount = HOLES,
    seed: Seed = 0,
    kinds: Kinds = ALL_KINDS,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Say whether a run's adapter is better than its base: both fill holes of held-out code."""
    request = Request(run=name or run or "", holes=holes, seed=seed, kinds=parse_kinds(kinds))
    job, found = evaluations.evaluate(_home(home), request, _line())
    if found is None:
        _cancelled_or_failed(job, job.state(), "The evaluation was cancelled.")
    finish(found, [*verdict(found), f"All holes: {evaluations.report_path(job)}"], as_json)


# --- what several commands share


def say(text: str) -> None:
    """Write a line of progress."""
    typer.echo(text, err=True)


def finish(data: dict[str, Any], lines: list[str], as_json: bool) -> None:
    """Write the result: one line of JSON, or a short text."""
    typer.echo(json.dumps(data, ensure_ascii=False) if as_json else "\n".join(lines))


def _home(folder: Path | None) -> Home:
    if folder is not None:
        os.environ["CODETUNE_HOME"] = str(folder.expanduser().absolute())
    return Home.current()


def _config(
    name: str | None,
    model: str | None,
    data: list[str] | None,
    column: str | None,
    data_dir: str | None,
    assigned: list[str] | None,
) -> Config:
    """Return a preset, or the defaults, with what was typed changed."""
    if data and data_dir is None:
        data_dir = ""  # the guide's own folder belongs to the guide's own dataset
    source = format_sources([s for text in data for s in parse_sources(text)]) if data else None
    named = {"base_model": model, "source": source, "data_column": column, "data_dir": data_dir}
    typed = {key: value for key, value in named.items() if value is not None}
    changes = typed | parse_assignments(assigned or [])
    return preset(name, **changes) if name else Config.from_dict(changes)


def _scan(where: Home, config: Config) -> tuple[Run, dict[str, Any]]:
    run = where.create_scan(config)
    line = _line()
    try:
        state = work(run, "scan", line.say, line.count)
    finally:
        line.end()
    report = read_json(run.path / "report.json")
    if state != "finished" or report is None:
        _cancelled_or_failed(run, state, "The scan was cancelled.")
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
    state = work(run, job, say)
    whole = state in ("finished", "stopped")
    figures = dict.fromkeys(FIGURES) | ((run.result() or {}) if whole else {})
    result = figures | {"run": run.name, "state": state}
    if not whole:
        if as_json:
            finish(result, [], as_json)
        _fail(run)
    lines = [f"{name:<22} {plain(value)}" for name, value in result.items()]
    finish(result, lines, as_json)


def _line() -> LiveLine:
    return LiveLine(partial(typer.echo, err=True, nl=False), is_terminal=sys.stderr.isatty())


def _cancelled_or_failed(job: Run, state: str, words: str) -> NoReturn:
    if state == "stopped":
        say(words)
        raise typer.Exit(CANCELLED)
    _fail(job)


def _fail(run: Run) -> NoReturn:
    status = run.status()
    say(f"{status.message} {status.hint}".strip() or f"It ended without a word. See {run.log_path}")
    raise typer.Exit(1)


if __name__ == "__main__":
    cli()
