"""In which order documents are cut by the tasks of a preparation, and the examples they made.

order/00012.jsonl   what a task cuts: epoch and document, in the order in which the epoch tells them
order.json          of each epoch, how many documents are cut, and by which tasks
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from codetune_ui.core.config import Config
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import BUFFER, Unmarked
from codetune_ui.core.recipe import SHUFFLED, Ready, Recipe, chance_of, shuffled
from codetune_ui.core.sources import shown
from codetune_ui.core.token_cache import TokenCache
from codetune_ui.core.tokens import CodeTokenizer, chars_per_token
from codetune_ui.engine.beginning import Beginning
from codetune_ui.engine.parts.files import Parts, texts_of
from codetune_ui.engine.parts.plan import Plan
from codetune_ui.engine.producer import rows_needed
from codetune_ui.engine.shelf import Entry, read_index
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.store import Run

SAMPLE = 200  # documents that tell how many characters a token has
MARGIN = 1.02  # what is cut too much is thrown away, what is cut too little is cut by one process


def write_orders(run: Run, plan: Plan, train: Sequence[Entry], texts: Parts) -> None:
    """Write down for each task what it cuts: as many characters as the rows will take."""
    config, folder = run.config(), run.path / "order"
    folder.mkdir(exist_ok=True)
    wanted = _characters_wanted(config, plan, [texts.read(entry) for entry in train[:SAMPLE]])
    epochs: list[list[int]] = []
    with ExitStack() as files:
        opened = [
            files.enter_context((folder / f"{number:05d}.jsonl").open("w", encoding="ascii"))
            for number in range(plan.cuts)
        ]
        begins = 0
        for epoch in itertools.count():
            documents, first, task = 0, -1, 0
            for entry in in_order(train, config, epoch):
                if begins >= wanted:
                    break
                task = int(begins * plan.cuts / wanted)
                first = task if first < 0 else first
                opened[task].write(_line(epoch, entry))
                begins, documents = begins + entry.size, documents + 1
            epochs.append([documents, first, task])
            if begins >= wanted:
                break
    replace_json(run.path / "order.json", {"epochs": epochs})


def in_order(train: Sequence[Entry], config: Config, epoch: int) -> list[Entry]:
    """Return what an epoch shows, in its order."""
    told = shown(train, config.seed, epoch) or list(train)
    return shuffled(told, chance_of(config.seed, epoch))


def _characters_wanted(config: Config, plan: Plan, sample: Sequence[object]) -> float:
    texts = [str(getattr(document, "text", "")) for document in sample]
    density = chars_per_token(CodeTokenizer.from_folder(Path(plan.model)), texts)
    rows = rows_needed(config) * MARGIN + SHUFFLED + BUFFER  # so many examples wait to be packed
    return max(1.0, rows * config.max_seq_len * density)


def _line(epoch: int, entry: Entry) -> str:
    about = (epoch, entry.path, entry.group, entry.size, entry.weight, entry.place)
    return json.dumps(about) + "\n"


def read_order(run: Run, task: int) -> Iterator[tuple[int, list[Entry]]]:
    """Yield what a task cuts, epoch by epoch."""
    with (run.path / "order" / f"{task:05d}.jsonl").open(encoding="ascii") as lines:
        values = map(json.loads, lines)
        for epoch, some in itertools.groupby(values, key=lambda one: int(one[0])):
            yield epoch, [Entry(p, g, size, 0.0, w, place) for _, p, g, size, w, place in some]


def recipe_of(config: Config, plan: Plan) -> Recipe:
    """Return what turns documents into examples."""
    folder = Path(plan.model)
    tokenizer = CodeTokenizer.from_folder(folder)
    recipe = Recipe.from_config(config, tokenizer, find_format(tokenizer, folder, config))
    return replace(recipe, cache=TokenCache(tokenizer))


class Ahead:
    """What the tasks have done, for the process that writes the rows."""

    def __init__(self, run: Run, plan: Plan) -> None:
        self._run, self._plan = run, plan
        self._epochs = (read_json(run.path / "order.json") or {}).get("epochs", [])

    def beginning(self) -> Beginning:
        """Return all documents, by side."""
        train, held_out = read_index(self._run.path / "index.jsonl")
        characters = round(sum(entry.size * entry.weight for entry in train))
        texts = texts_of(self._run.path / "read", self._plan.tasks)
        return Beginning(texts, train, held_out, lambda: characters)

    def ready(self, epoch: int) -> Ready:
        """Return the examples of an epoch that were cut."""
        if epoch >= len(self._epochs):
            return Ready(0, ())
        documents, first, last = self._epochs[epoch]
        return Ready(documents, self._examples(epoch, range(first, last + 1)))

    def _examples(self, epoch: int, tasks: range) -> Iterator[Unmarked]:
        for task in tasks if tasks.start >= 0 else ():
            stem = self._run.path / "cut" / f"{task:05d}"
            words, place = np.fromfile(f"{stem}.words", np.uint32), 0
            for number, sizes in json.loads(Path(f"{stem}.json").read_bytes()):
                for size in sizes if number == epoch else ():
                    yield Unmarked(words[place : place + size])
                    place += size
                place += sum(sizes) if number != epoch else 0
