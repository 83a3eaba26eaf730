"""Base against adapter on single-line holes of a run's held-out files: exact match, greedy.

    python -m tests.bench.infill_gain --run amber-otter --holes 240 --kind line

A hole is one line's text behind its indentation (line), or what follows a random place in it
(rest). `exact_match` ends every answer at its first line break, as an editor does that asks for one
line; `ended_match` counts only what the model, besides, ended by itself, right there.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
from contextlib import closing
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


def holes_of(held_out: Path, count: int, *, kind: str = "line", seed: int = 0) -> list[Hole]:
    """Return `count` distinct holes, drawn by the seed from all lines of 8 characters or more."""
    found = []
    rng = random.Random(f"cuts:{seed}")
    for row in held_out.read_text(encoding="utf-8").splitlines():
        document = json.loads(row)
        start = 0
        for line in document["text"].splitlines(keepends=True):
            body = line.strip()
            if len(body) >= 8:
                end = start + line.index(body) + len(body)
                at = end - (len(body) if kind == "line" else rng.randint(4, len(body) - 1))
                text = document["text"]
                found.append(Hole(document["path"], text[:at], text[at:end], text[end:]))
            start += len(line)
    random.Random(seed).shuffle(found)
    return found[:count]


class Fill(NamedTuple):
    """One answer against the truth."""

    exact: bool
    ended: bool


def fill(completer: Completer, adapter: str | None, hole: Hole) -> Fill:
    """Fill a hole up to the first line break."""
    text, finish = "", ""
    ask = Ask(hole.prefix, hole.suffix, max_tokens=64)
    with closing(completer.complete(ask, adapter, threading.Event())) as chunks:
        for chunk in chunks:
            text, finish = text + chunk.text, chunk.finish
            if "\n" in text:
                break
    exact = text.partition("\n")[0] == hole.middle
    return Fill(exact, exact and finish == "stop")


def summary(fills: list[Fill]) -> dict[str, float]:
    """Return the shares of answers that are right."""
    exact, ended = (sum(side) / len(fills) for side in zip(*fills, strict=True))
    return {"exact_match": round(exact, 4), "ended_match": round(ended, 4)}


def main() -> None:
    """Print the scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--holes", type=int, default=240)
    parser.add_argument("--kind", choices=["line", "rest"], default="line")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    home = Home(options.home) if options.home else Home.current()
    run = home.run(options.run)
    config = run.config()
    completer = Completer.load(config, resolve_model(config))
    completer.adapters.load(run.name, run.adapter_dir)
    held_out = run.dataset_dir / "held_out.jsonl"
    holes = holes_of(held_out, options.holes, kind=options.kind, seed=options.seed)
    result: dict[str, Any] = {"run": run.name, "kind": options.kind, "holes": len(holes)}
    answers = []
    for label, adapter in (("base", None), ("adapter", run.name)):
        fills = [fill(completer, adapter, hole) for hole in holes]
        answers.append([answer.exact for answer in fills])
        result[label] = summary(fills)
    pairs = list(zip(*answers, strict=True))
    result |= {"wins": pairs.count((False, True)), "losses": pairs.count((True, False))}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
