"""The folded part of the page that measures on published benchmarks: HumanEval-Infilling, SAFIM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from codetune_ui.core.benchmark import MOST_SAMPLES, BenchmarkRequest
from codetune_ui.core.benchmark_sets import SETS, find_set
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs import benchmarks
from codetune_ui.runs.events import read_events
from codetune_ui.runs.files import read_json
from codetune_ui.runs.paths import with_whole_paths
from codetune_ui.runs.process import request_stop, start_worker
from codetune_ui.runs.sandbox import protections
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import benchmark_view
from codetune_ui.ui.context import ACTION, QUIET, PageContext, fragment, shown_errors
from codetune_ui.ui.play_fill import run_choices

TICK_S = 1.5
FIRST = next(iter(SETS))


@dataclass(frozen=True)
class Parts:
    """The widgets of the section."""

    run: gr.Dropdown
    set: gr.Dropdown
    file: gr.Textbox
    limit: gr.Number
    samples: gr.Number
    temperature: gr.Number
    programs: gr.Checkbox
    out: gr.HTML
    timer: gr.Timer
    start: gr.Button
    cancel: gr.Button


def build(page: PageContext) -> None:
    """Draw the section, folded, and wire it."""
    with gr.Accordion("Published benchmarks", open=False, elem_id="bench", elem_classes="card"):
        with gr.Row():
            run = _choice([("Base model only", "")], "", "Run", "bench-run")
            names = [(of.label, name) for name, of in SETS.items()]
            chosen = _choice(names, FIRST, "Benchmark", "bench-set")
            file = gr.Textbox(
                label="Its file",
                placeholder="empty: fetched, or one fetched before",
                elem_id="bench-file",
                interactive=True,
            )
        told = fragment(benchmark_view.about(SETS[FIRST]), elem_id="bench-about")
        with gr.Row():
            limit = _number(100, "Tasks (0: all)", "bench-limit", 0)
            samples = _number(1, "Samples of each", "bench-samples", 1, MOST_SAMPLES)
            temperature = _number(0, "Temperature", "bench-temperature", 0, 2, step=0.1)
        programs = gr.Checkbox(
            False,
            label="Run the programs that the models write: without it there is no pass@k",
            elem_id="bench-programs",
            interactive=True,
        )
        held = fragment("", elem_id="bench-held")
        with gr.Row(elem_classes="btns"):
            start = gr.Button("Measure", variant="primary", scale=0, elem_id="b-bench")
            cancel = gr.Button("Cancel", scale=0, elem_id="b-bench-cancel", visible="hidden")
        out = fragment(benchmark_view.NOTHING_YET, elem_id="bench-out")
        timer = gr.Timer(TICK_S, active=False)
    parts = Parts(
        *(run, chosen, file, limit, samples, temperature),
        *(programs, out, timer, start, cancel),
    )
    chosen.change(lambda name: benchmark_view.about(find_set(name)), chosen, told, **QUIET)
    programs.change(_held, programs, held, **ACTION)
    _wire(page, parts)


def _choice(
    choices: Sequence[tuple[str, str]], value: str, label: str, elem_id: str
) -> gr.Dropdown:
    return gr.Dropdown(list(choices), value=value, label=label, interactive=True, elem_id=elem_id)


def _number(
    value: float, label: str, elem_id: str, low: float, high: float | None = None, step: float = 1
) -> gr.Number:
    return gr.Number(
        value,
        label=label,
        minimum=low,
        maximum=high,
        step=step,
        interactive=True,
        elem_id=elem_id,
        min_width=120,
    )


def _held(wanted: bool) -> str:
    """Return the warning, with what holds on this machine; tried out only when it is wanted."""
    if not wanted:
        return ""
    with shown_errors():
        return benchmark_view.warning(protections())


def _wire(page: PageContext, parts: Parts) -> None:
    home = page.home
    shown = [parts.out, parts.timer, parts.start, parts.cancel]

    def on_start(given: dict[Any, Any]) -> tuple[Any, ...]:
        """Inputs: the section's widgets, every setting. Outputs: out, timer, start, cancel."""
        with shown_errors():
            request = BenchmarkRequest(
                set=given[parts.set],
                run=given[parts.run] or "",
                file=(given[parts.file] or "").strip(),
                limit=int(given[parts.limit] or 0),
                samples=int(given[parts.samples] or 1),
                temperature=float(given[parts.temperature] or 0),
                run_programs=bool(given[parts.programs]),
            )
            config = None if request.run else with_whole_paths(page.form.read(given))
            begin(home, request, config)
        return _drawn(home, request.run)

    def on_cancel(run: str) -> tuple[Any, ...]:
        """Inputs: run. Outputs: out, timer, start, cancel."""
        job = benchmarks.latest_job(home, run or "")
        if job is not None:
            request_stop(job)
        return _drawn(home, run)

    def on_open() -> tuple[Any, ...]:
        """Outputs: run, out, timer, start, cancel."""
        choices = run_choices(home)
        return gr.Dropdown(choices=choices, value=choices[0][1]), *_drawn(home, choices[0][1])

    def on_look(run: str) -> tuple[Any, ...]:
        """Inputs: run. Outputs: out, timer, start, cancel."""
        return _drawn(home, run)

    asked = {
        *(parts.run, parts.set, parts.file, parts.limit, parts.samples, parts.temperature),
        *(parts.programs, *page.form.blocks),
    }
    parts.start.click(on_start, asked, shown, **ACTION)
    parts.cancel.click(on_cancel, parts.run, shown, **QUIET)
    parts.run.input(on_look, parts.run, shown, **QUIET)
    parts.timer.tick(on_look, parts.run, shown, **QUIET)
    page.on_load(on_open, None, [parts.run, *shown])


def begin(home: Home, request: BenchmarkRequest, config: Config | None) -> Run:
    """Start a benchmark in a worker of its own; raise `CodeTuneError` where it cannot be."""
    job = benchmarks.create(home, request, config)
    start_worker(job, "benchmark")
    return job


def look(home: Home, run: str) -> tuple[str, bool]:
    """Return what there is to say of a run's benchmarks, and whether the newest still goes on.

    One that goes on, or that ended without a result, has a line above the last result.
    """
    try:
        kept = benchmarks.results(home, home.run(run) if run else None)
        found = read_json(kept[0]) if kept else None
        text = benchmark_view.NOTHING_YET
        if found is not None:
            text = benchmark_view.result(found, str(kept[0].with_suffix(".html")))
        job = benchmarks.latest_job(home, run)
        if job is None:
            return text, False
        state = job.state()
        if state not in ACTIVE and benchmarks.result_path(job).exists():
            return text, False
        status = job.status()
        events, _ = read_events(job.events_path)
        line = benchmark_view.progress(state, status.phase, events, status.message, status.hint)
    except CodeTuneError:  # the run was deleted meanwhile
        return benchmark_view.NOTHING_YET, False
    return line + (text if found is not None else ""), state in ACTIVE


def _drawn(home: Home, run: str | None) -> tuple[Any, ...]:
    """Return the values of out, timer, start and cancel."""
    text, goes_on = look(home, run or "")
    return (
        text,
        gr.Timer(active=goes_on),
        gr.Button(interactive=not goes_on),
        gr.Button(visible=True if goes_on else "hidden"),
    )
