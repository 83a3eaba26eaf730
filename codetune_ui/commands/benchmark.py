"""The command that measures on a published benchmark: HumanEval-Infilling or SAFIM."""

from __future__ import annotations

from typing import Annotated

import typer

from codetune_ui.commands.options import AsJson, EvaluatedRun, HomeDir, Model, RunOption, Seed
from codetune_ui.commands.shared import cancelled_or_failed, config_from, finish, home_of, live_line
from codetune_ui.core.benchmark import MOST_SAMPLES, BenchmarkRequest, summary
from codetune_ui.core.benchmark_sets import SET_NAMES
from codetune_ui.core.errors import RunError
from codetune_ui.runs import benchmarks

SetOption = Annotated[str, typer.Option("--set", help=f"Which: {SET_NAMES}.")]
FileOption = Annotated[
    str, typer.Option("--file", metavar="PATH", help="Its file (.jsonl, .jsonl.gz); else fetched.")
]
Limit = Annotated[int, typer.Option("--limit", min=0, help="So many tasks, drawn by the seed.")]
Samples = Annotated[
    int, typer.Option("--samples", min=1, max=MOST_SAMPLES, help="Answers to each task.")
]
Temperature = Annotated[float, typer.Option("--temperature", min=0, max=2, help="0 is greedy.")]
RunPrograms = Annotated[
    bool,
    typer.Option(
        "--run-programs",
        help="Run what the models wrote, for pass@k: each program apart, within limits.",
    ),
]


def benchmark(
    of: SetOption,
    name: EvaluatedRun = None,
    run: RunOption = None,
    model: Model = None,
    file: FileOption = "",
    limit: Limit = 0,
    samples: Samples = 1,
    temperature: Temperature = 0.0,
    seed: Seed = 0,
    run_programs: RunPrograms = False,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Measure a run's base and adapter, or a base alone, on HumanEval-Infilling or SAFIM."""
    chosen = name or run or ""
    if chosen and model:
        raise RunError("A run and a model are named.", "Name one: a run has its own base.")
    request = BenchmarkRequest(
        set=of,
        run=chosen,
        file=file,
        limit=limit,
        samples=samples,
        temperature=temperature,
        seed=seed,
        run_programs=run_programs,
    )
    config = config_from(None, model, None, None, None, None) if model else None
    job, found = benchmarks.benchmark(home_of(home), request, config, live_line())
    if found is None:
        cancelled_or_failed(job, job.state(), "The benchmark was cancelled.")
    finish(found, [*summary(found), "", f"All tasks: {benchmarks.report_path(job)}"], as_json)
