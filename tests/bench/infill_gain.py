"""Base against adapter on single-line holes of a run's held-out files: exact match, greedy.

    python -m tests.bench.infill_gain --run amber-otter --holes 240

A hole is one line's text behind its indentation; an answer counts when it is the line, to the
character, and the model ended it by itself: nothing is cut with an eye on the truth.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from codetune_ui.core.completion import Ask
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.hub import resolve_model
from codetune_ui.runs.store import Home


class Hole(NamedTuple):
    """One line cut out of a held-out file."""

    path: str
    prefix: str
    middle: str
    suffix: str


def holes_of(held_out: Path, count: int, seed: int = 0) -> list[Hole]:
    """Return `count` distinct holes, drawn by the seed from all lines of 8 characters or more."""
    found = []
    for row in held_out.read_text(encoding="utf-8").splitlines():
        document = json.loads(row)
        start = 0
        for line in document["text"].splitlines(keepends=True):
            body = line.strip()
            if len(body) >= 8:
                at = start + line.index(body)
                text = document["text"]
                found.append(Hole(document["path"], text[:at], body, text[at + len(body) :]))
            start += len(line)
    random.Random(seed).shuffle(found)
    return found[:count]


def score(completer: Completer, adapter: str | None, holes: list[Hole]) -> tuple[list[bool], float]:
    """Return per hole whether it was filled exactly, and the tokens per second."""
    exact, tokens, started = [], 0, time.perf_counter()
    for hole in holes:
        ask = Ask(hole.prefix, hole.suffix, max_tokens=64)
        chunks = list(completer.complete(ask, adapter, threading.Event()))
        tokens += chunks[-1].tokens
        exact.append("".join(chunk.text for chunk in chunks) == hole.middle)
    return exact, tokens / (time.perf_counter() - started)


def main() -> None:
    """Print the scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--holes", type=int, default=240)
    options = parser.parse_args()
    home = Home(options.home) if options.home else Home.current()
    run = home.run(options.run)
    config = run.config()
    completer = Completer.load(config, resolve_model(config))
    completer.adapters.load(run.name, run.adapter_dir)
    holes = holes_of(run.dataset_dir / "held_out.jsonl", options.holes)
    result: dict[str, Any] = {"run": run.name, "holes": len(holes)}
    for label, adapter in (("base", None), ("adapter", run.name)):
        exact, speed = score(completer, adapter, holes)
        result[label] = {"exact_match": sum(exact) / len(exact), "tokens_per_s": round(speed)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
