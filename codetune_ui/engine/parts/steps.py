"""Rows of a large source, step by step; what a task does depends on no other of its step.

read    each task its portion of the source: read, cleaned, secrets redacted, copies sketched
merge   one task, over all that was read: names, copies, sides, and the order to be cut in
cut     each task its stretch of that order: encoded, cut, composed
pack    one task: shuffled and packed into rows, as `prepare` does it with examples of its own

The rows are those of a run whose source was scanned before, whatever the number of tasks and of
processes: what depends on other files is decided in merge, in the order of the source.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.config import Config
from codetune_ui.core.near import BANDS, Sketch, shared_keys
from codetune_ui.core.pack import marked
from codetune_ui.core.pipeline import Copies, clean_alone
from codetune_ui.core.portions import portion
from codetune_ui.core.recipe import Recipe, examples_of, of_set
from codetune_ui.core.sources import shown
from codetune_ui.core.split import choose_split
from codetune_ui.engine.parts.files import Kept, Parts, PartWriter, ReadPart, texts_of
from codetune_ui.engine.parts.order import Ahead, read_order, recipe_of, write_orders
from codetune_ui.engine.parts.plan import Plan, check_state, files_of, plan_of
from codetune_ui.engine.prepare import Preparation
from codetune_ui.engine.scan_cache import source_state
from codetune_ui.engine.shelf import Entry, index_line, read_index
from codetune_ui.runs.files import replace_json, replace_text
from codetune_ui.runs.store import Run


def read_part(run: Run, task: int) -> None:
    """Read one portion of the source."""
    config, plan = run.config(), plan_of(run)
    items = portion(files_of(config), task, plan.tasks, plan.size)
    sketches = config.near_duplicates < 1
    with PartWriter(run.path / "read", task, sketches=sketches) as part:
        for item, forced in clean_alone(items, config):
            part.add(item, forced)


def merge(run: Run, task: int) -> None:  # noqa: ARG001 - there is one
    """Decide what depends on other files, and write down what is to be cut."""
    config, plan = run.config(), plan_of(run)
    check_state(plan, source_state(config) or "")
    parts = [ReadPart(run.path / "read", number) for number in range(plan.tasks)]
    reasons: Counter[str] = Counter()
    texts = texts_of(run.path / "read", plan.tasks)
    entries = list(_kept(config, parts, texts.starts, reasons))
    split = choose_split(entries, config)
    sides = [split.holds_out(entry) for entry in entries]
    with (run.path / "index.jsonl").open("w", encoding="utf-8") as index:
        for entry, held_out in zip(entries, sides, strict=True):
            index.write(index_line(entry, "val" if held_out else "train", entry.place))
    train = [entry for entry, held_out in zip(entries, sides, strict=True) if not held_out]
    write_orders(run, plan, train, texts)
    texts.close()
    report = {
        "found": len(entries) + reasons.total(),
        "kept": len(entries),
        "dropped": dict(reasons.most_common()),
        "characters": sum(entry.size for entry in entries),
        "train": len(train),
        "held_out": len(entries) - len(train),
    }
    replace_json(run.path / "report.json", report)


def _kept(
    config: Config, parts: Sequence[ReadPart], starts: list[int], reasons: Counter[str]
) -> Iterator[Entry]:
    """Yield what no file before is a copy of, in the order of the source; count the rest."""
    copies, groups, kept = Copies(config), dict[str, str](), 0
    shared = iter(_shared(parts).tolist())
    for part, start in zip(parts, starts, strict=True):
        sketches = part.sketches()
        for item in part.items():
            if config.max_documents and kept == config.max_documents:
                return
            path = copies.names.unused(item[0])
            if not isinstance(item, Kept):
                reasons[item[1]] += 1
                continue
            sketch = next(sketches) if item.runs >= 0 else None
            near = sketch if sketch is not None and next(shared) else None
            reason, _ = copies.reason(bytes.fromhex(item.hash), path, partial(_same, near))
            if reason is not None and not item.forced:
                reasons[str(reason)] += 1
                continue
            kept += 1
            group = groups.setdefault(item.group, item.group)  # one string for all of it
            yield Entry(path, group, item.size, item.changed, item.weight, start + item.place)


def _shared(parts: Sequence[ReadPart]) -> NDArray[np.bool_]:
    """Say of each sketch, in order, whether another text has a key of it: only then it matters.

    A key is looked at at a time, so memory is a few numbers a text and not the whole index.
    """
    return shared_keys(np.concatenate([part.keys[band] for part in parts]) for band in range(BANDS))


def _same(sketch: Sketch | None) -> Sketch | None:
    return sketch


def cut_part(run: Run, task: int) -> None:
    """Cut one stretch of the order."""
    config, plan = run.config(), plan_of(run)
    texts = texts_of(run.path / "read", plan.tasks)
    folder = run.path / "cut"
    folder.mkdir(exist_ok=True)
    stem = folder / f"{task:05d}"
    recipe = recipe_of(config, plan)
    epochs: list[tuple[int, list[int]]] = []
    with Path(f"{stem}.words.part").open("wb") as file, closing(texts):
        for epoch, entries in read_order(run, task):
            sizes: list[int] = []
            around = _with_neighbours(run, config, recipe, texts, epoch)
            for example in examples_of(texts.view(entries), around, epoch):
                file.write(marked(example.ids, example.labels).tobytes())
                sizes.append(len(example.ids))
            epochs.append((epoch, sizes))
    Path(f"{stem}.words.part").replace(f"{stem}.words")
    replace_text(Path(f"{stem}.json"), json.dumps(epochs))


def _with_neighbours(run: Run, config: Config, recipe: Recipe, texts: Parts, epoch: int) -> Recipe:
    """Return the recipe that reads files with those beside them: the one that needs all names."""
    if recipe.around is None or not recipe.around.most:
        return recipe
    train, _ = read_index(run.path / "index.jsonl")
    return of_set(recipe, texts.view(shown(train, config.seed, epoch) or train))


def pack(run: Run, task: int) -> None:  # noqa: ARG001 - there is one
    """Write the rows, and drop what only the steps before needed."""
    plan = plan_of(run)
    run.dataset_dir.mkdir(exist_ok=True)
    Preparation(run, Path(plan.model), ahead=Ahead(run, plan)).write()
    for name in ("cut", "order", "read"):
        shutil.rmtree(run.path / name, ignore_errors=True)


def tasks_of(step: str, plan: Plan) -> int:
    """Return how many tasks a step has."""
    return {"read": plan.tasks, "cut": plan.cuts}.get(step, 1)


Step = Callable[[Run, int], None]
STEPS: dict[str, Step] = {"read": read_part, "merge": merge, "cut": cut_part, "pack": pack}
