"""How long one who types waits for the first token, with and without what was read before.

`python -m tests.bench.typing --home HOME --run RUN` types a line into the middle of a file, key by
key, with the run's adapter, and says p50 and p95 by the clock and in seconds of processors.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.completion import Ask
from codetune_ui.engine.answer import Job
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.hub import resolve_model
from codetune_ui.runs.store import Home

FILE = PROJECT_ROOT / "codetune_ui" / "core" / "context.py"
LINES_ABOVE = 120
TYPED = "    found = [part for part"


def main() -> None:
    """Measure, and print a line for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--run", required=True)
    given = parser.parse_args()
    run = Home(given.home).run(given.run)
    completer = Completer.load(run.config(), resolve_model(run.config()))
    completer.adapters.load(run.name, run.adapter_dir)
    for typed in (False, True):
        found = list(keys(completer, run.name, typed=typed))
        say("as it was" if not typed else "what is new", found)


def keys(
    completer: Completer, name: str, *, typed: bool
) -> Iterator[tuple[float, float, int, int]]:
    """Yield for each key: ms to the first token, seconds of processors, tokens, kept tokens."""
    lines = FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    above, below = "".join(lines[:LINES_ABOVE]), "\n" + "".join(lines[LINES_ABOVE:])
    for end in range(len(TYPED)):
        ask = Ask(above + TYPED[:end], below, max_tokens=1)
        jobs = iter([Job(ask, name, threading.Event(), typed=typed)])
        began = time.process_time()
        *_, (_, last) = completer.together(lambda jobs=jobs: next(jobs, None))  # type: ignore[misc]
        spent = time.process_time() - began
        assert last.timings is not None
        timings = last.timings
        yield timings.ms_first_token, spent, timings.prompt_tokens, timings.kept_tokens


def say(way: str, found: list[tuple[float, float, int, int]]) -> None:
    """Print what one way of reading took."""
    clock, spent, prompts, kept = ([one[place] for one in found] for place in range(4))
    p50, p95 = (statistics.quantiles(clock, n=100)[at] for at in (49, 94))
    cpu50, cpu95 = (statistics.quantiles(spent, n=100)[at] for at in (49, 94))
    print(
        f"{way:12} {len(found)} keys  p50 {p50:.0f} ms  p95 {p95:.0f} ms"
        f"  processors p50 {cpu50 * 1000:.0f} ms  p95 {cpu95 * 1000:.0f} ms"
        f"  prompt {statistics.mean(prompts):.0f} tokens, kept {statistics.mean(kept):.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
