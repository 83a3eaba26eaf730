"""How long an evaluation takes, phase by phase: a short training, then base and adapter compared.

    python -m tests.bench.evaluation --model FOLDER [--data SRC] [--steps 40] [--holes 200]
    python -m tests.bench.evaluation --shape qwen2.5-coder-1.5b [--steps 2]
    python -m tests.bench.evaluation --run RUN --home DIR

A shape has random weights: it hardly ever stops by itself, so that its time is the longest there
is. Seconds of processors say more than those of the clock where others use the machine too.
Checks that each answer is one that its side gives when it is asked alone, on a few holes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from codetune_ui.core.evaluation import Request, summary
from codetune_ui.core.holes import Hole
from codetune_ui.core.presets import preset
from codetune_ui.core.scores import one_line
from codetune_ui.engine.evaluate import ROWS, asks_for, held_out
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.hardware import find_hardware
from codetune_ui.engine.hub import resolve_model
from codetune_ui.runs.evaluations import evaluate
from codetune_ui.runs.events import read_events
from codetune_ui.runs.follow import work
from codetune_ui.runs.store import Home, Run
from codetune_ui.runs.terminal import LiveLine
from tests.bench.shapes import SHAPES, build


def phases(job: Run) -> dict[str, float]:
    """Return the seconds of each phase, by its name."""
    events, _ = read_events(job.events_path)
    marks = [(e["phase"], e["ts"]) for e in events if e["kind"] == "phase"]
    marks.append(("", events[-1]["ts"]))
    return {name: round(after - at, 1) for (name, at), (_, after) in itertools.pairwise(marks)}


def rows_of(run: Run) -> dict[str, float]:
    """Return how many answers are written side by side, and the memory of their caches."""
    config = run.config()
    decoder = Completer.load(config, resolve_model(config), ROWS).adapters.decoder
    if decoder is None:
        return {"rows": 1, "row_mib": 0.0}
    return {"rows": decoder.rows, "row_mib": round(decoder.row_bytes / 2**20, 1)}


def processor_seconds() -> float:
    """Return what the processes started so far have used; 0 where no system tells."""
    return sum(os.times()[2:4])


def answered_alone(run: Run, items: list[dict[str, Any]]) -> int:
    """Return in how many of some holes both sides say the same when they are asked alone."""
    config = run.config()
    completer = Completer.load(config, resolve_model(config))
    completer.adapters.load(run.name, run.adapter_dir)
    documents = held_out(run)
    texts = {document.path: document.text for document in documents}
    same = 0
    for item in items:
        text, start = texts[item["path"]], item["start"]
        end = start + len(item["truth"])
        around = text[:start], text[start:end], text[end:]
        hole = Hole(item["path"], item["language"], item["kind"], *around)
        (ask,) = asks_for([hole], documents, config, completer.format)
        found = []
        for adapter in (None, run.name):
            chunks = completer.complete(ask, adapter, threading.Event())
            found.append(one_line("".join(chunk.text for chunk in chunks), hole.kind))
        same += found == [item["base"]["text"], item["adapter"]["text"]]
    return same


def main() -> None:
    """Print a table, and the figures as JSON in the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--data", default="demo")
    parser.add_argument("--run")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--holes", type=int, default=200)
    options = parser.parse_args()
    home = Home((options.home or Path(tempfile.mkdtemp())).resolve())
    if options.run:
        run = home.run(options.run)
    else:
        if options.shape:
            options.model = str(build(options.shape, home.path / "model"))
        changes = {"base_model": options.model, "source": options.data, "max_steps": options.steps}
        run = home.create_run(preset("demo", **changes), "bench")
        if (state := work(run, "train", print)) != "finished":
            raise SystemExit(f"The training has {state}.\n{run.log_tail()}")
    began, used = time.monotonic(), processor_seconds()
    line = LiveLine(lambda text: print(text, end="", flush=True), is_terminal=False)
    job, found = evaluate(home, Request(run=run.name, holes=options.holes), line)
    whole = round(time.monotonic() - began, 1)
    used = round(processor_seconds() - used, 1)
    assert found is not None, job.log_tail()
    print("\n".join(summary(found)), "\n")
    spent = phases(job)
    for name, seconds in spent.items():
        print(f"{seconds:8.1f} s  {name}")
    some = found["items"][:12]
    same = answered_alone(run, some)
    tokens = sum(item[side]["tokens"] for item in found["items"] for side in ("base", "adapter"))
    caches = rows_of(run)
    print(f"{whole:8.1f} s  in all, {used} s of processors; {tokens:,} tokens written")
    print(f"{caches['rows']} rows of {caches['row_mib']} MiB; {same} of {len(some)} alone the same")
    figures = {"seconds": whole, "processor_seconds": used, "phases": spent, "tokens": tokens}
    figures |= {"same": same, "device": find_hardware().device, **caches}
    print(json.dumps(figures | {"verdict": found["verdict"], "holes": found["holes"]}))


if __name__ == "__main__":
    main()
