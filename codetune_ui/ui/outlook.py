"""What a run with these settings will be, and what Start misses: looked up, not yet in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import DEMO_MODEL
from codetune_ui.core.config import DEMO, SETTINGS, Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.models import KNOWN_MODELS, ModelShape
from codetune_ui.core.plan import Plan, guess_tokens_per_s, make_plan
from codetune_ui.runs.cards import Card, chosen
from codetune_ui.runs.files import read_json
from codetune_ui.runs.lease import Holder, holder
from codetune_ui.runs.placement import Placement, destination
from codetune_ui.runs.queue import waiting, who_is_at_work
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import words
from codetune_ui.ui.machine import CONTEXT_GIB, WATCH, memory_gib

# What decides which documents there are: after a change of these the scan tells of other code.
SCANNED = [s.name for s in SETTINGS.values() if s.group == "data" and s.name != "source"]
START = "Start training"
STARTED = {"slurm": "on Slurm", "sky": "with SkyPilot"}


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Everything the plan card says. label: what Start says; ready: whether it can be pressed.

    cards: those it would train on; there_gib: the memory to be had, on the card with the least.
    destination: where its code goes, "" for nowhere; then nothing of this machine counts.
    at_work: for whom the run would wait, "" for nobody; runs: how many one press makes.
    """

    plan: Plan
    there_gib: float
    cards: tuple[Card, ...]
    held: Holder | None
    destination: str
    at_work: str
    runs: int
    code: tuple[str, str]  # kind ("ok", "bad", "") and sentence
    family: str
    label: str
    ready: bool


def outlook(
    home: Home,
    config: Config,
    scan_id: str,
    *,
    runs: int = 1,
    edited: str = "",
    placement: Placement | None = None,
) -> Outlook:
    """Look at the disk and the machine, and say what a run with these settings would be.

    runs: how many one press makes; edited: the waiting run that gets these settings instead;
    placement: where it is to be trained, None for here.
    """
    scan = _scan(home, scan_id)
    report = (read_json(scan.path / "report.json") if scan else None) or {}
    here = placement is None
    shape = base_shape(config) if here else None  # what it takes elsewhere is not known here
    missing, code = _code(scan, report, config)
    missing = "" if edited else missing  # its code was scanned when it was put there
    cards, held = chosen(config, WATCH.cards()) if here else (), holder(home)
    at_work = who_is_at_work(home)
    there_gib = min((_there(card, held) for card in cards), default=None)
    room_gib = None if there_gib is None else there_gib - CONTEXT_GIB
    return Outlook(
        plan=make_plan(
            config,
            train_tokens=report.get("train_tokens"),
            shape=shape,
            tokens_per_s=_speed(home, config, shape, cards, room_gib) if here else None,
            room_gib=room_gib,
        ),
        there_gib=memory_gib() if there_gib is None else there_gib,
        cards=cards,
        held=held,
        destination="" if placement is None else destination(placement, home.runs_dir),
        at_work=at_work,
        runs=runs,
        code=code,
        family=str(report.get("evidence") or report.get("family") or ""),
        label=missing or _start(runs, edited, placement, waits=bool(at_work or waiting(home))),
        ready=not missing,
    )


def _there(card: Card, held: Holder | None) -> float:
    """Return what a training finds free; what a holder of this app has, it gives back before."""
    return card.free_gib if held is None else card.total_gib


def _start(runs: int, edited: str, placement: Placement | None, *, waits: bool) -> str:
    """Return what a press on Start does.

    >>> _start(3, "", None, waits=False), _start(1, "", None, waits=True)
    ('Start 3 runs', 'Put in the queue')
    >>> _start(1, "calm-otter", None, waits=True), _start(1, "", Placement(on="sky"), waits=True)
    ('Save calm-otter', 'Start with SkyPilot')
    """
    if edited:
        return f"Save {edited}"
    many = f" {runs} runs" if runs > 1 else ""
    if placement is not None:  # it waits there, and not here
        return f"Start{many} {STARTED[placement.on]}"
    return f"Put{many} in the queue" if waits else f"Start{many}" if many else START


def base_shape(config: Config) -> ModelShape | None:
    """Return the base model's shape as far as it is known without the network."""
    known = next((model for model in KNOWN_MODELS if model.id == config.base_model), None)
    if known is not None:
        return known.shape
    folder = DEMO_MODEL if config.base_model == DEMO else Path(config.base_model).expanduser()
    values = read_json(folder / "config.json")
    try:
        return ModelShape.from_hf(values) if values else None
    except (CodeTuneError, KeyError, TypeError, ValueError):
        return None  # the worker says what is wrong with it; here only the estimate is missing


def _scan(home: Home, scan_id: str) -> Run | None:
    try:
        return home.scan(scan_id) if scan_id else None
    except CodeTuneError:
        return None


def _code(scan: Run | None, report: dict[str, Any], config: Config) -> tuple[str, tuple[str, str]]:
    """Return what Start misses ("" for nothing), and the line about the code."""
    if scan is None:
        return "Scan code first", ("bad", "No code scanned yet. Open Model & Data.")
    state = scan.state()
    if state in ACTIVE or state == "created":
        return "Scanning…", ("", "The scan is on its way.")
    if state != "finished" or not report:
        return "Scan code first", ("bad", "The scan did not come to its end. Open Model & Data.")
    if not _same_code(scan.config(), config):
        return "Scan code first", ("bad", "The data settings changed since the scan.")
    train, held_out = int(report.get("train", 0)), int(report.get("held_out", 0))
    name = words.source_label(config.source)
    return "", ("ok", f"{name}: {train:,} files to train on, {held_out:,} held out.")


def _same_code(scanned: Config, config: Config) -> bool:
    same = all(getattr(scanned, name) == getattr(config, name) for name in SCANNED)
    given = config.source
    if given != DEMO and "://" not in given and not given.startswith("hub:"):
        given = str(Path(given).expanduser().absolute())  # as a scan keeps it
    return same and scanned.source in (given, config.source)


def _speed_before(home: Home, config: Config) -> float | None:
    """Return the tokens per second of the newest run with the same base, rows and processes."""
    for run in home.runs():
        result = read_json(run.result_path)
        if not result or not result.get("tokens_per_second"):
            continue
        try:
            before = run.config()
        except CodeTuneError:
            continue
        if _costs(before) == _costs(config):
            return float(result["tokens_per_second"])
    return None


def _costs(config: Config) -> tuple[str, int, int, str]:
    return config.base_model, config.max_seq_len, config.processes, config.split_base


def _speed(
    home: Home,
    config: Config,
    shape: ModelShape | None,
    cards: tuple[Card, ...],
    room_gib: float | None,
) -> float | None:
    before = _speed_before(home, config)
    if before or shape is None:
        return before
    card = cards[0].name if cards else None
    cores = os.cpu_count() or 1
    return guess_tokens_per_s(shape, config, card=card, cores=cores, room_gib=room_gib)
