"""The plan beside the form: what a run with these settings will be, and what Start misses."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.assets import DEMO_MODEL
from codetune_ui.core.cards import cards_named
from codetune_ui.core.config import DEMO, SETTINGS, Config
from codetune_ui.core.errors import CodeTuneError, ConfigError
from codetune_ui.core.memory import MemoryEstimate
from codetune_ui.core.models import KNOWN_MODELS, ModelShape
from codetune_ui.core.plan import Plan, guess_tokens_per_s, make_plan
from codetune_ui.runs.cards import Card, chosen
from codetune_ui.runs.files import read_json
from codetune_ui.runs.lease import PLAYGROUND, Holder, holder
from codetune_ui.runs.queue import waiting, who_is_at_work
from codetune_ui.runs.state import ACTIVE
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import words
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.machine import CONTEXT_GIB, WATCH, memory_gib

# What decides which documents there are: after a change of these the scan tells of other code.
SCANNED = [s.name for s in SETTINGS.values() if s.group == "data" and s.name != "source"]
START = "Start training"
PARTS = {  # part of the memory estimate: label, colour
    "weights_gib": ("weights", "var(--ct-base)"),
    "adapter_gib": ("adapter and optimizer", "var(--ct-tuned)"),
    "activations_gib": ("activations", "var(--ct-pre)"),
    "logits_gib": ("logits", "var(--ct-eval)"),
}


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Everything the plan card says. label: what Start says; ready: whether it can be pressed.

    cards: those it would train on; there_gib: the memory to be had, on the card with the least.
    at_work: for whom the run would wait, "" for nobody; runs: how many one press makes.
    """

    plan: Plan
    there_gib: float
    cards: tuple[Card, ...]
    held: Holder | None
    at_work: str
    runs: int
    code: tuple[str, str]  # kind ("ok", "bad", "") and sentence
    family: str
    label: str
    ready: bool


def outlook(
    home: Home, config: Config, scan_id: str, *, runs: int = 1, edited: str = ""
) -> Outlook:
    """Look at the disk and the machine, and say what a run with these settings would be.

    runs: how many one press makes; edited: the waiting run that gets these settings instead.
    """
    scan = _scan(home, scan_id)
    report = (read_json(scan.path / "report.json") if scan else None) or {}
    shape = base_shape(config)
    missing, code = _code(scan, report, config)
    missing = "" if edited else missing  # its code was scanned when it was put there
    cards, held = chosen(config, WATCH.cards()), holder(home)
    at_work = who_is_at_work(home)
    there_gib = min((_there(card, held) for card in cards), default=None)
    room_gib = None if there_gib is None else there_gib - CONTEXT_GIB
    return Outlook(
        plan=make_plan(
            config,
            train_tokens=report.get("train_tokens"),
            shape=shape,
            tokens_per_s=_speed_before(home, config)
            or _speed_guess(shape, config, cards, room_gib),
            room_gib=room_gib,
        ),
        there_gib=memory_gib() if there_gib is None else there_gib,
        cards=cards,
        held=held,
        at_work=at_work,
        runs=runs,
        code=code,
        family=str(report.get("evidence") or report.get("family") or ""),
        label=missing or _start(runs, edited, waits=bool(at_work or waiting(home))),
        ready=not missing,
    )


def _there(card: Card, held: Holder | None) -> float:
    """Return what a training finds free; what a holder of this app has, it gives back before."""
    return card.free_gib if held is None else card.total_gib


def _start(runs: int, edited: str, *, waits: bool) -> str:
    """Return what a press on Start does.

    >>> _start(3, "", waits=False), _start(1, "", waits=True), _start(1, "calm-otter", waits=True)
    ('Start 3 runs', 'Put in the queue', 'Save calm-otter')
    """
    if edited:
        return f"Save {edited}"
    many = f" {runs} runs" if runs > 1 else ""
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


def _costs(config: Config) -> tuple[str, int, int]:
    return config.base_model, config.max_seq_len, config.processes


def _speed_guess(
    shape: ModelShape | None, config: Config, cards: tuple[Card, ...], room_gib: float | None
) -> float | None:
    if shape is None:
        return None
    card = cards[0].name if cards else None
    cores = os.cpu_count() or 1
    return guess_tokens_per_s(shape, config, card=card, cores=cores, room_gib=room_gib)


# --- as HTML


def wrong(error: ConfigError) -> str:
    """Return the card when the settings cannot be used; a script marks the field."""
    text = escape(str(error))
    return (
        f'<div class="plan"><h2>Plan</h2><p class="wrong" role="alert" '
        f'data-field="{escape(error.field)}">{text}</p></div>'
    )


def render(found: Outlook) -> str:
    """Return the plan card."""
    plan = found.plan
    heading = f"Plan of each of the {found.runs} runs" if found.runs > 1 else "Plan"
    facts = {
        "Steps": f"{plan.total_steps:,}",
        "Tokens in all": _millions(plan.total_tokens),
        "Passes over the code": f"{plan.epochs:.1f}" if plan.epochs is not None else "",
        "Time": f"about {words.duration(plan.seconds)}" if plan.seconds else "",
        "Memory": f"{plan.memory.total_gib:.1f} GiB" if plan.memory else "",
    }
    cells = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts.items() if v)
    checks = "".join(
        f'<li class="{kind}">{escape(text)}</li>' for kind, text in _checks(found) if text
    )
    return (
        f'<div class="plan"><h2>{heading}</h2><dl>{cells}</dl>'
        f'<p class="sentence">{escape(plan.sentence())}</p>'
        f"{_memory_bar(plan.memory, found.there_gib)}"
        f'<ul class="checks">{checks}</ul></div>'
    )


def _checks(found: Outlook) -> list[tuple[str, str]]:
    return [found.code, ("ok", found.family), _memory_check(found), _machine_check(found)]


def _memory_check(found: Outlook) -> tuple[str, str]:
    where = _named(found.cards) if found.cards else "main memory"
    free = " free" if found.cards and found.held is None else ""
    if found.plan.memory is None:
        return "", "The base model's size is not known here: no memory estimate."
    needed = found.plan.memory.total_gib
    if needed <= found.there_gib:
        return "ok", f"Needs about {needed:.1f} of {found.there_gib:.1f} GiB{free} ({where})."
    less = "the memory setting least" if found.cards else "fewer rows per pass"
    fewer = f"{less}, shorter sequences or a smaller base model"
    return (
        "bad",
        f"Needs about {needed:.1f} GiB, {where} has {found.there_gib:.1f}{free}: try {fewer}.",
    )


def _machine_check(found: Outlook) -> tuple[str, str]:
    if found.held and found.held.name == PLAYGROUND:
        return "", "The playground's model is on the GPU; Start makes it leave."
    if found.held:
        since = time.strftime("%H:%M", time.localtime(found.held.since))
        what = "GPU" if found.cards else "machine"
        return "", f"'{found.held.name}' holds the {what} since {since}: this one waits its turn."
    if found.at_work:
        return "", f"'{found.at_work}' is at work: this one waits its turn."
    if not found.cards:
        return "", "CPU only: right for the demo model; larger ones need a GPU."
    for card in found.cards:
        if card.programs:  # nobody of this app: it would hold the lease
            most = card.programs[0]
            who = f"{most.name} (pid {most.pid}) holds {most.gib:.1f} GiB"
            others = len(card.programs) - 1
            more = f", {others} more some of it" if others else ""
            return "", f"{_named((card,))}: {who}{more}. It is not this app's."
    return "ok", f"{_named(found.cards)} {'is' if len(found.cards) == 1 else 'are'} free."


def _named(cards: Sequence[Card]) -> str:
    """Name cards by what they are, and by their numbers where it is not the first alone.

    >>> _named([Card("H200", 0.0, 140.4)])
    'H200'
    >>> _named([Card("H200", 0.0, 140.4, number=n) for n in (0, 1)])
    'H200, cards 0 and 1'
    """
    kinds = ", ".join(dict.fromkeys(card.name for card in cards))
    numbers = [card.number for card in cards]
    return kinds if numbers == [0] else f"{kinds}, {cards_named(numbers)}"


def _memory_bar(memory: MemoryEstimate | None, there_gib: float) -> str:
    if memory is None:
        return ""
    parts = [(getattr(memory, name), *about) for name, about in PARTS.items()]
    left = max(0.0, there_gib - memory.total_gib)
    bars = "".join(
        f'<i style="flex:{gib:.4f};background:{color}"></i>' for gib, _, color in parts if gib
    )
    legend = "".join(
        f'<span><i style="background:{color}"></i>{label} {gib:.2f}</span>'
        for gib, label, color in parts
    )
    return (
        f'<div class="mem">{bars}<i style="flex:{left:.4f}"></i></div>'
        f'<div class="mem-l">{legend}<span>of {there_gib:.1f} GiB</span></div>'
    )


def _millions(tokens: int) -> str:
    return f"{tokens / 1e6:.1f} M" if tokens >= 1_000_000 else f"{tokens:,}"
