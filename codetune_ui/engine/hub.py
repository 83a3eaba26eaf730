"""Models and data sets by name: what lies on this machine first, the network last.

Fetched are safetensors, JSON, and Python to be read by a person; never a pickle. Whether a model's
own Python runs is decided in `engine.model`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import Any

from codetune_ui.core.admit import Rules
from codetune_ui.core.assets import DEMO_MODEL
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.errors import ModelError, SourceError
from codetune_ui.core.source import Document, Dropped, document_from_row

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
REACH_S = 10.0  # the hub's own retries take 46 s to say that there is no network
SMALL_FILES = ["*.json", "*.txt", "*.model", "*.py"]
WEIGHT_FILES = ["*.safetensors"]
SPARE_BYTES = 1 << 30  # beside a model: for the run itself
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


# --- models


def resolve_model(config: Config, *, weights: bool = True) -> Path:
    """Return the folder of the base model; without `weights`, its tokenizer and config suffice.

    Raises `ModelError` when it is missing, gated, unreachable, or has no safetensors.
    """
    name = config.base_model
    if name == DEMO:
        return _checked(DEMO_MODEL, "The demo model", weights=weights)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _checked(folder, f"The folder '{name}'", weights=weights)
    if not HUB_ID.fullmatch(name) or name.startswith("."):
        raise ModelError(
            f"There is no model folder '{name}'.", "Check the path, or give a Hub id OWNER/NAME."
        )
    cached = _cached(name, config.revision, weights=weights)
    return cached or _download(name, config.revision, weights=weights)


def _checked(folder: Path, called: str, *, weights: bool) -> Path:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{called} holds no model: config.json is missing.", "Check the path.")
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(
            f"{called} has no tokenizer.json.", "Choose a model that ships a fast tokenizer."
        )
    if not weights or any(folder.glob("*.safetensors")):
        return folder
    if any(path for pattern in PICKLES for path in folder.glob(pattern)):
        raise ModelError(
            f"{called} holds its weights as pickle files, which can run code when loaded.",
            "Convert them to safetensors, or choose another model.",
        )
    raise ModelError(f"{called} holds no weights.", "Add the model's .safetensors files.")


def _patterns(weights: bool) -> list[str]:
    return SMALL_FILES + (WEIGHT_FILES if weights else [])


def _cached(name: str, revision: str, *, weights: bool) -> Path | None:
    """Return a snapshot that was fetched before, if it is complete."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision or None, local_files_only=True))
        _checked(folder, name, weights=weights)
    except (OSError, ModelError):
        return None
    index = folder / "model.safetensors.index.json"
    if weights and index.is_file():
        import json

        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if any(not (folder / shard).is_file() for shard in shards):
            return None
    return folder


def _download(name: str, revision: str, *, weights: bool) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    try:
        about = HfApi().model_info(
            name, revision=revision or None, timeout=REACH_S, files_metadata=True
        )
        sizes = {file.rfilename: file.size or 0 for file in about.siblings or []}
        files = list(sizes)
        if weights and not any(file.endswith(".safetensors") for file in files):
            raise ModelError(
                f"'{name}' has no safetensors on the Hub, only pickle files that can run code.",
                "Choose another model.",
            )
        check_room(name, sizes, _patterns(weights))
        folder = snapshot_download(
            name, revision=revision or None, allow_patterns=_patterns(weights)
        )
    except _network_errors() as error:
        raise ModelError(*_why(error, f"The model '{name}'")) from error
    return _checked(Path(folder), f"The model '{name}'", weights=weights)


def check_room(name: str, sizes: Mapping[str, int], patterns: Sequence[str]) -> None:
    """Raise `ModelError` when the disk of the Hub's cache cannot take a model's files.

    sizes: bytes of each file of the repository; patterns: which of them are fetched.
    """
    from huggingface_hub import constants

    wanted = [file for file in sizes if any(fnmatch(file, pattern) for pattern in patterns)]
    needed = sum(sizes[file] for file in wanted) + SPARE_BYTES
    cache = Path(constants.HF_HUB_CACHE).expanduser()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ModelError(
            f"'{name}' takes {needed / 2**30:,.1f} GiB on disk, and {free / 2**30:,.1f} are free "
            f"in {cache}.",
            "Free some space, or let HF_HOME name a folder on another disk.",
        )


def _network_errors() -> tuple[type[Exception], ...]:
    """Return what the Hub's client raises, down to its HTTP library's own errors."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    return HTTPError, OSError, ValueError, RuntimeError


def _why(error: Exception, called: str) -> tuple[str, str]:
    """Return one sentence and a way out for what the Hub or the network said."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"{called} is gated: its owner asks you to accept its terms first.",
            "Accept them on its page at huggingface.co, then run 'hf auth login'.",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{called} has no such revision.", "Leave the revision empty, or correct it."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{called} is not on the Hub, or it is private.",
            "Check the name; for a private one run 'hf auth login'.",
        )
    if isinstance(error, errors.HfHubHTTPError):
        return f"The Hub refused: {_first_line(error)}", "Try again later."
    if isinstance(error, OSError) and error.errno == 28:
        return f"The disk is too full for {called}.", "Free some space."
    return (
        f"{called} is not on this machine, and the Hub cannot be reached.",
        "Connect to the network, or give the path of a local folder.",
    )


# --- data sets


def hub_documents(
    config: Config,
    *,
    rules: Rules | None = None,
    open_rows: Callable[[str, str, str, str], Any] | None = None,
) -> Iterator[Document | Dropped]:
    """Stream a Hub dataset's rows as documents; it is read only as far as it is asked.

    `open_rows(name, split, data_dir, data_config)` gives an iterable of rows. Raises `SourceError`
    before the first document when the dataset is unreachable or lacks the column.
    """
    name, split = parse_source(config.source)
    rows = (open_rows or _open)(name, split, config.data_dir, config.data_config)
    return _documents(rows, name, config, rules)


def parse_source(source: str) -> tuple[str, str]:
    """Return name and split of a Hub source.

    >>> parse_source("hub:owner/name@test"), parse_source("hub:owner/name")
    (('owner/name', 'test'), ('owner/name', 'train'))
    """
    name, _, split = source.removeprefix("hub:").partition("@")
    if not HUB_ID.fullmatch(name):
        raise SourceError(f"'{source}' names no Hub dataset.", "Write hub:OWNER/NAME.")
    return name, split or "train"


def _documents(
    rows: Any, name: str, config: Config, rules: Rules | None
) -> Iterator[Document | Dropped]:
    stream = iter(_readable(rows, name))
    first = next(stream, None)
    if first is None:
        raise SourceError(f"The dataset '{name}' is empty.", "Choose another one.")
    if config.data_column not in first:
        raise SourceError(
            f"The dataset '{name}' has no column '{config.data_column}'.",
            f"Set 'Column' to one of: {', '.join(map(str, first))}.",
        )
    for index, row in enumerate(chain([first], stream)):
        yield document_from_row(row, index, config, rules)


def _readable(rows: Any, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield rows; what breaks on the way becomes one sentence."""

    try:
        yield from rows
    except _network_errors() as error:
        raise SourceError(
            f"Reading the dataset '{name}' broke off: {_first_line(error)}", "Try again."
        ) from error


def hub_offers(
    name: str, *, data_config: str = "", split: str = "", data_dir: str = ""
) -> dict[str, list[str]]:
    """Return what a Hub dataset offers to choose from: its "configs", "splits" and "columns".

    Splits and columns are those of the configuration and split that are given, else of the first.
    Raises `SourceError` when the dataset is unreachable; a list that cannot be had is empty.
    """
    _reach(name)
    import datasets

    datasets.disable_progress_bars()
    configs = _listed(lambda: datasets.get_dataset_config_names(name))
    config = data_config if data_config in configs else _first_of(configs)
    splits = _listed(lambda: datasets.get_dataset_split_names(name, config or None))
    chosen = split if split in splits else _first_of(splits)
    rows = _listed(lambda: _load(name, chosen or "train", data_dir, config).take(1))
    return {"configs": configs, "splits": splits, "columns": [str(c) for row in rows for c in row]}


def _first_of(names: list[str]) -> str:
    """Return what is taken where nobody chose: the usual names first."""
    usual = (name for name in ("default", "train") if name in names)
    return next(usual, names[0] if names else "")


def _listed(ask: Callable[[], Any]) -> list[Any]:
    try:
        return list(ask())
    except _network_errors():
        return []


def _reach(name: str) -> None:
    """Raise `SourceError` at once where `datasets` would try again for a minute."""
    from huggingface_hub import HfApi

    try:
        HfApi().dataset_info(name, timeout=REACH_S)
    except _network_errors() as error:
        raise SourceError(*_why(error, f"The dataset '{name}'")) from error


def _load(name: str, split: str, data_dir: str, data_config: str) -> Any:
    from datasets import load_dataset

    return load_dataset(
        name, data_config or None, data_dir=data_dir or None, split=split, streaming=True
    )


def _open(name: str, split: str, data_dir: str, data_config: str) -> Any:
    _reach(name)
    import datasets

    datasets.disable_progress_bars()
    try:
        return _load(name, split, data_dir, data_config)
    except _network_errors() as error:
        offered = hub_offers(name, data_config=data_config, split=split)
        raise SourceError(
            f"The dataset '{name}' cannot be opened: {_first_line(error)}",
            _choices(offered, split, data_config),
        ) from error


def _choices(offered: Mapping[str, list[str]], split: str, data_config: str) -> str:
    """Say what to choose instead, where the choice was none of what is offered."""
    configs, splits = offered["configs"], offered["splits"]
    if configs and (data_config or len(configs) > 1) and data_config not in configs:
        return f"Set 'Configuration on the Hub' to one of: {_some(configs)}."
    if splits and split not in splits:
        return f"Its splits are: {_some(splits)}. Write hub:OWNER/NAME@SPLIT."
    return "Check its name, its split (hub:OWNER/NAME@SPLIT) and the folder on the Hub."


def _some(names: list[str]) -> str:
    return ", ".join(names[:20]) + (" …" if len(names) > 20 else "")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
