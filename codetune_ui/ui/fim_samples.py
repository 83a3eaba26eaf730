"""The samples of the FIM Preview tab: drawn from a scan's documents as training will draw them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError, RunError
from codetune_ui.core.families import evidence, find_format
from codetune_ui.core.fim import Example, Mode
from codetune_ui.core.inputs import local_model
from codetune_ui.core.preview import Figures, measure
from codetune_ui.core.recipe import Recipe, examples, examples_of, of_set, shuffled
from codetune_ui.core.source import Document
from codetune_ui.core.token_cache import TokenCache
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Run

MOST = 300  # examples that the shares are measured on
MOST_CHARACTERS = 400_000  # of documents, so that the page answers at once
MOST_FILES = 200  # in a list of them; the letters that are typed bring the others
EPOCHS = 4  # of one document, when its samples alone are looked at
RECIPE_SETTINGS = (
    "family",
    "left_to_right",
    "fim_rate",
    "spm_rate",
    "span",
    "span_mix",
    "fit",
    "repo_context",
    "context_tokens",
    "source",
    "loss_on",
    "max_seq_len",
    "seed",
)


@dataclass(frozen=True)
class Sample:
    """An example, and where in its file the window stands."""

    example: Example
    first_line: int
    language: str


@dataclass(frozen=True, eq=False)
class Deck:
    """Samples in the order of training, and how they were made."""

    samples: list[Sample]
    recipe: Recipe
    evidence: str
    figures: Figures

    def count(self, mode: Mode) -> int:
        """Return how many samples are told in one mode."""
        return self.figures.modes[mode]


def deck(scan: Run, config: Config, path: str = "") -> Deck:
    """Return samples of a scan's documents under these settings, of one file or of many."""
    documents = _stamped(scan.path / "documents.jsonl")
    if documents is None:
        raise RunError("The scan has not read its code yet.", "Wait for it to end.")
    folder = model_folder(scan, config)
    tokenizer = _stamped(folder / "tokenizer.json")
    if tokenizer is None:
        raise ModelError("The base model has no tokenizer.json.", "Choose another model.")
    plain = Config.from_dict({name: getattr(config, name) for name in RECIPE_SETTINGS})
    return _deck(documents, tokenizer, plain, path)


def model_folder(scan: Run, config: Config) -> Path:
    """Return the base model's folder: on this machine, or where the scan put it."""
    folder = local_model(config)
    if folder is not None:
        return folder
    found = Path(str((read_json(scan.path / "report.json") or {}).get("model") or ""))
    if scan.config().base_model == config.base_model and (found / "tokenizer.json").is_file():
        return found
    raise ModelError(
        f"The tokenizer of {config.base_model} is not on this machine yet.",
        "Scan again on Model & Data: that fetches it.",
    )


def paths(scan: Run) -> list[str]:
    """Return the files one can choose, in order."""
    stamped = _stamped(scan.path / "documents.jsonl")
    return list(_paths(stamped)) if stamped else []


def matches(scan: Run, typed: str, most: int = MOST_FILES) -> list[str]:
    """Return the first files whose paths hold every word typed; those named so come first."""
    words = typed.lower().split()
    found = [path for path in paths(scan) if all(word in path.lower() for word in words)]
    if words:
        found.sort(key=lambda path: words[-1] not in PurePosixPath(path).name.lower())
    return found[:most]


def resolve(scan: Run, typed: str) -> str:
    """Return the path that is meant: the very one, or the first that holds what was typed."""
    if not typed or typed in paths(scan):
        return typed
    return next(iter(matches(scan, typed, 1)), typed)


# --- what is kept between two looks: (file, time of its last change) is the key

Stamped = tuple[Path, int]


def _stamped(path: Path) -> Stamped | None:
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=2)
def _documents(stamped: Stamped) -> list[Document]:
    """Return the documents to train on; the held-out ones where there are no others."""
    with stamped[0].open(encoding="utf-8") as file:
        found = [json.loads(line) for line in file if line.strip()]
    chosen = [item for item in found if item.get("split") != "val"] or found
    return [
        Document(
            text=item["text"],
            path=item["path"],
            language=item.get("language") or "",
            group=item.get("group") or "",
        )
        for item in chosen
    ]


@lru_cache(maxsize=2)
def _paths(stamped: Stamped) -> tuple[str, ...]:
    return tuple(sorted(document.path for document in _documents(stamped)))


@lru_cache(maxsize=2)
def _tokenizer(stamped: Stamped) -> TokenCache:
    """Return the model's tokenizer with the documents it has read: only holes change often."""
    return TokenCache(CodeTokenizer.from_folder(stamped[0].parent))


@lru_cache(maxsize=8)
def _deck(documents: Stamped, tokenizer: Stamped, config: Config, path: str) -> Deck:
    cache = _tokenizer(tokenizer)
    format = find_format(cache.tokenizer, tokenizer[0].parent, config)
    recipe = replace(Recipe.from_config(config, cache.tokenizer, format), cache=cache)
    recipe = of_set(recipe, _documents(documents))
    drawn = list(_samples(_documents(documents), recipe, path))
    return Deck(
        samples=drawn,
        recipe=recipe,
        evidence=evidence(format) if format else "",
        figures=measure([sample.example for sample in drawn], recipe),
    )


def _samples(documents: list[Document], recipe: Recipe, path: str) -> Iterator[Sample]:
    """Yield the samples of one file, or of some that stay the same whatever the settings are.

    A document's holes depend on nothing but the settings and its path, so these are the training's.
    """
    chosen = [document for document in documents if document.path == path]
    if not path:
        some = list(_some(shuffled(documents, random.Random(len(documents)))))
        yield from _placed(examples_of(some, recipe, 0), some)
    for epoch in range(EPOCHS if chosen else 0):
        yield from _placed(examples(chosen[0], recipe, epoch), chosen)


def _some(documents: list[Document]) -> Iterator[Document]:
    characters = 0
    for document in documents:
        if characters and characters + len(document.text) > MOST_CHARACTERS:
            return
        characters += len(document.text)
        yield document


def _placed(found: Iterable[Example], documents: list[Document]) -> Iterator[Sample]:
    """Add the line at which each window begins; a document's windows come one after another."""
    languages = {document.path: document.language for document in documents}
    path, line = "", 1
    for number, example in enumerate(found):
        if number == MOST:
            return
        line = line if example.path == path else 1
        path = example.path
        yield Sample(example, line, languages[path])
        line += example.source.count("\n")
