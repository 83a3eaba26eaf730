"""Prepared rows: made by many processes in a folder of their own, and lent to runs.

HOME/prepared/NAME/   a preparation, laid out as a run's folder; in the end its dataset/ has rows
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from codetune_ui.core.config import SETTINGS, Config
from codetune_ui.core.errors import ConfigError, MachineError, RunError
from codetune_ui.core.sources import is_hub_source, parse_sources
from codetune_ui.runs import slurm
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.paths import with_whole_paths
from codetune_ui.runs.placement import HERE, parse_placement
from codetune_ui.runs.store import Home, Run

ROWS = ("held_out.jsonl", "val.rows", "train.rows", "manifest.json")
# Settings of training that rows are cut by; those of model, data and FIM all are.
CUT_BY = ("max_seq_len", "seed", "global_batch_rows", "eval_every")
NOT_CUT_BY = ("allow_code",)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a person wants rows to be prepared; the rows themselves do not depend on it."""

    processes: int = 1
    tasks: int = 0
    options: dict[str, str] | None = None
    """Of Slurm; None is this machine."""


def create(home: Home, config: Config, name: str | None, asked: Asked) -> Run:
    """Make a preparation's folder, or return the one of this name that has not come to its end.

    Raises what can be refused before anything is read.
    """
    _check(config)
    run = Run(home.prepared_dir / name) if name else None
    if run is not None and run.config_path.is_file():
        run = home.prepared(run.name)
        _check_same(run, with_whole_paths(config))
    else:
        run = home.create_prepared(config, name)
    replace_json(run.path / "asked.json", asked.__dict__)
    return run


def read_asked(run: Run) -> Asked:
    """Return how a preparation was asked for."""
    return Asked(**(read_json(run.path / "asked.json") or {}))


def slurm_options(on: str | None) -> dict[str, str] | None:
    """Read what was typed after --on; None is this machine."""
    placement = parse_placement(on or HERE)
    if placement is None:
        return None
    if placement.on != "slurm" or "partition" not in placement.options:
        message = "Rows are prepared here, or on a partition of Slurm."
        raise ConfigError(message, "Write --on slurm:partition=cpu,time=12:00:00.")
    slurm.check()
    return placement.options


def is_whole(run: Run) -> bool:
    """Say whether a preparation has come to its end."""
    return (run.dataset_dir / "manifest.json").is_file()


def _check(config: Config) -> None:
    if find_spec("datatrove") is None:
        raise MachineError(
            "To prepare rows over processes, the package datatrove is missing.",
            "Do: pip install -r requirements-cluster.txt",
        )
    if any(is_hub_source(spec.place) for spec in parse_sources(config.source)):
        raise ConfigError(
            "A Hub dataset is read as a stream, which cannot be divided.",
            "Download its files and name them with --data.",
            field="source",
        )


def _check_same(run: Run, config: Config) -> None:
    if is_whole(run):
        raise RunError(
            f"'{run.name}' is prepared already.", f"Train on it: train --rows {run.name}"
        )
    if different := _different(run.config(), config, tuple(SETTINGS)):
        raise RunError(
            f"'{run.name}' was begun with another {different[0]}.", "Give it another name."
        )


# --- a run on prepared rows


def config_on(prepared: Run, changes: dict[str, Any]) -> Config:
    """Return a preparation's settings with some changed that its rows do not depend on."""
    if not is_whole(prepared):
        message = f"'{prepared.name}' is not prepared to its end."
        raise RunError(message, f"Go on: prepare --name {prepared.name}")
    before = prepared.config()
    config = with_whole_paths(Config.from_dict(before.to_dict() | changes))
    cut_by = [name for name in SETTINGS if _cuts(name)]
    if different := _different(before, config, tuple(cut_by)):
        raise ConfigError(
            f"The rows of '{prepared.name}' were cut with another {different[0]}.",
            "Leave it as it is, or prepare rows anew.",
            field=different[0],
        )
    if config.max_steps > before.max_steps:
        raise ConfigError(
            f"'{prepared.name}' has rows for {before.max_steps:,} steps.",
            "Train for no more, or prepare rows anew.",
            field="max_steps",
        )
    return config


def lend(prepared: Run, run: Run) -> None:
    """Give a run the rows of a preparation: a second name of the same files, or a copy."""
    run.dataset_dir.mkdir(mode=0o700)
    for name in ROWS:
        _link(prepared.dataset_dir / name, run.dataset_dir / name)


def _cuts(name: str) -> bool:
    if name in NOT_CUT_BY:
        return False
    return SETTINGS[name].group in ("model", "data", "fim") or name in CUT_BY


def _different(one: Config, other: Config, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copyfile(source, target)
