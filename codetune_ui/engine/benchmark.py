"""One published benchmark: base and adapter fill its holes, and where asked its tests are run.

Prompts are those that the server sends (`Completer`), base and adapter side by side. An answer ends
at the model's own end of the middle, at the limit of tokens, or where the set's rule would cut it
anyway. Programs are run by `runs.sandbox`, one process each, and only if the request says so.
"""

from __future__ import annotations

import platform
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from importlib.metadata import version
from typing import Any

from codetune_ui import __version__
from codetune_ui.core.benchmark import TOP_P, BenchmarkRequest, benchmark
from codetune_ui.core.benchmark_answers import cut, is_enough, program, same_output
from codetune_ui.core.benchmark_scores import Answered, Sample
from codetune_ui.core.benchmark_sets import BenchmarkSet, Task, find_set, read_tasks
from codetune_ui.core.completion import Ask
from codetune_ui.core.families import FimFormat
from codetune_ui.engine.answer import Job
from codetune_ui.engine.benchmark_files import find_file
from codetune_ui.engine.generate import PROMPT_TOKENS, Completer
from codetune_ui.engine.hub import resolve_model
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.runs import sandbox
from codetune_ui.runs.benchmarks import find_run, read_request, write_result
from codetune_ui.runs.store import Run

Progress = Callable[[int, int, str], None]  # done, of how many, what was done
Place = tuple[int, int, int]  # task, side, sample

LOOK_S = 0.2
TRUTHS = 50  # true answers that are run to see whether they pass here


def measure(job: Run, reporter: Reporter, stop: StopWish) -> None:
    """Do one benchmark and write its result; a wish to stop leaves nothing behind."""
    request, run = read_request(job), find_run(job)
    of, config = find_set(request.set), job.config()
    began = time.monotonic()

    def tell(done: int, total: int, deed: str) -> None:
        stop.check()
        reporter.event("evaluate", done=done, total=total, deed=deed)
        reporter.step(done)

    # --- tasks
    reporter.phase(f"Reading {of.label}")
    file, source = find_file(request.file, of, job.home)
    tasks = read_tasks(file, of, limit=request.limit, seed=request.seed)
    held = sandbox.protections() if request.run_programs else []
    reporter.state("running", total_steps=len(tasks.found))
    # --- model
    reporter.phase("Loading the base model")
    folder = resolve_model(config)
    completer = Completer.load(config, folder)
    if run is not None:
        completer.adapters.load(run.name, run.adapter_dir)
    stop.check()
    # --- answers
    reporter.phase(f"Filling {len(tasks.found)} holes")
    filling = Filling(completer, request, of, run.name if run else "")
    answered = filling.fill(tasks.found, tell)
    # --- programs
    truths = {"run": 0, "passed": 0}
    if request.run_programs:
        reporter.phase("Running the programs, each held back")
        truths = run_programs(answered, completer.threads, reporter, stop)
    about = {
        "id": job.name,
        "run": run.name if run else "",
        "created": round(time.time()),
        "base_model": config.base_model,
        "model": filling.facts(),
        "file": {"source": source, "sha256": tasks.sha256, "tasks_in_file": tasks.total},
        "protections": held,
        "truths": truths,
        "versions": versions(),
        "seconds": round(time.monotonic() - began, 1),
    }
    write_result(job, benchmark(answered, request, about))


def versions() -> dict[str, str]:
    """Return the versions that a figure may depend on."""
    found = {"codetune_ui": __version__, "python": platform.python_version()}
    return found | {name: version(name) for name in ("torch", "transformers", "peft")}


# --- answers


class Filling:
    """The holes of a benchmark, filled by a base and, where one is named, its adapter."""

    def __init__(
        self, completer: Completer, request: BenchmarkRequest, of: BenchmarkSet, adapter: str
    ) -> None:
        self._completer = completer
        self._request = request
        self._of = of
        self._adapter = adapter
        self._modes: set[str] = set()
        self._cut_prompts = 0
        self._room = PROMPT_TOKENS[completer.adapters.base.device.type]

    def fill(self, tasks: Sequence[Task], tell: Progress) -> list[Answered]:
        """Return every task with its answers; all that can be is written in one batch."""
        answered = [Answered(task) for task in tasks]
        sides = 2 if self._adapter else 1
        wanted = sides * self._request.samples
        places: dict[Job, Place] = {}
        texts: dict[Job, str] = {}
        coming = self._places(len(tasks), sides)

        def take() -> Job | None:
            place = next(coming, None)
            if place is None:
                return None
            job = self._job(tasks[place[0]], place)
            places[job], texts[job] = place, ""
            return job

        finished, left = 0, dict.fromkeys(range(len(tasks)), wanted)
        with closing(self._completer.together(take)) as written:
            for job, chunk in written:
                number, side, _ = places[job]
                texts[job] += chunk.text
                if is_enough(texts[job], tasks[number], self._of.name):
                    job.cancel.set()
                if not chunk.finish:
                    continue
                del places[job]
                text = cut(texts.pop(job), tasks[number], self._of.name)
                into = answered[number].adapter if side else answered[number].base
                into.append(Sample(text, chunk.finish == "stop", chunk.tokens))
                self._note(chunk)
                left[number] -= 1
                if not left[number]:
                    finished += 1
                    tell(finished, len(tasks), "filled")
        return answered

    def _places(self, tasks: int, sides: int) -> Iterator[Place]:
        for number in range(tasks):
            for sample in range(self._request.samples):
                for side in range(sides):
                    yield number, side, sample

    def _job(self, task: Task, place: Place) -> Job:
        warm = self._request.temperature > 0
        luck = f"{self._request.seed}:{task.id}:{place[2]}"  # the same for both sides
        ask = Ask(
            task.prefix,
            task.suffix,
            max_tokens=self._of.tokens,
            temperature=self._request.temperature,
            top_p=TOP_P if warm else 1.0,
            seed=zlib.crc32(luck.encode()) if warm else None,
        )
        return Job(ask, self._adapter if place[1] else None, threading.Event())

    def _note(self, chunk: Any) -> None:
        if chunk.mode is not None:
            self._modes.add(chunk.mode)
        if chunk.timings is not None and chunk.timings.prompt_tokens >= self._room:
            self._cut_prompts += 1

    def facts(self) -> dict[str, Any]:
        """Return what a figure depends on: the model as it was loaded, prompts and ends."""
        base, format = self._completer.adapters.base, self._completer.format
        return {
            "family": format.family.name if format else "",
            "prompt_order": _order(format),
            "prompt_modes": sorted(self._modes),
            "most_prompt_tokens": self._room,
            "prompts_at_that_limit": self._cut_prompts,
            "most_answer_tokens": self._of.tokens,
            "top_p": TOP_P if self._request.temperature else 1.0,
            "stop": "the model's own end of the middle, or the most tokens",
            "dtype": str(base.dtype).removeprefix("torch."),
            "quant": "nf4" if getattr(base, "is_loaded_in_4bit", False) else "none",
            "device": base.device.type,
            "decoder": "fused" if self._completer.adapters.decoder is not None else "transformers",
        }


def _order(format: FimFormat | None) -> str:
    return format.family.orders[0] if format else "left to right: the model knows no holes"


# --- programs


def run_programs(
    answered: Sequence[Answered], at_once: int, reporter: Reporter, stop: StopWish
) -> dict[str, int]:
    """Run what can be run, and note in each sample whether it passed.

    The same program is run once, whoever wrote it. Some true answers are run as well: what of them
    does not pass is this machine's doing, or the sandbox's. Returns how many were "run", "passed".
    """
    wanted: dict[tuple[int, str], list[Sample]] = {}
    python = [n for n, one in enumerate(answered) if one.task.language == "Python"]
    for number in python:
        for sample in (*answered[number].base, *answered[number].adapter):
            wanted.setdefault((number, sample.text), []).append(sample)
    truths = {
        number: Sample(answered[number].task.truth, ended=True, tokens=0)
        for number in python[:: max(1, len(python) // TRUTHS)][:TRUTHS]
    }
    cancel = threading.Event()
    total = len(wanted) + len(truths)
    reporter.state("running", step=0, total_steps=total)
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        places: dict[Future[tuple[bool, str]], list[Sample]] = {
            pool.submit(verdict, text, answered[number].task, cancel): samples
            for (number, text), samples in wanted.items()
        }
        for number, truth in truths.items():
            task = answered[number].task
            places[pool.submit(verdict, truth.text, task, cancel, always=True)] = [truth]
        try:
            pending = set(places)
            while pending:
                ended, pending = wait(pending, LOOK_S, FIRST_COMPLETED)
                stop.check()
                for future in ended:
                    for sample in places[future]:
                        sample.passed, sample.why = future.result()
                done = total - len(pending)
                reporter.event("evaluate", done=done, total=total, deed="run", things="programs")
                reporter.step(done)
        except BaseException:  # a wish to stop, most of all
            cancel.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return {"run": len(truths), "passed": sum(bool(truth.passed) for truth in truths.values())}


def verdict(
    text: str, task: Task, cancel: threading.Event, *, always: bool = False
) -> tuple[bool, str]:
    """Run an answer's program against its tests; return whether it passed, else how it ended.

    With inputs as tests, an answer that is the truth passes unrun, as in SAFIM's own script, unless
    it is to be run `always`.
    """
    source = program(text, task)
    if not task.checks:
        ran = sandbox.run(source, cancel=cancel)
        return ran.why == "ended", _words(ran)
    if text == task.truth and not always:
        return True, ""
    for given, right in task.checks:
        ran = sandbox.run(source, given=given, script=True, cancel=cancel)
        if ran.why != "ended":
            return False, _words(ran)
        if not same_output(ran.output, right):
            return False, "another output"
    return True, ""


def _words(ran: sandbox.Ran) -> str:
    if ran.why == "ended":
        return ""
    return ran.detail or ("it left before its tests were done" if ran.why == "failed" else ran.why)
