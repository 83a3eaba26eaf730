"""What the page says: states, sentences, figures. Every wording about a run is in this file."""

from __future__ import annotations

import shlex
from typing import Any

from codetune_ui.core.config import DEMO, SETTINGS, Config
from codetune_ui.core.presets import PRESETS
from codetune_ui.core.ways import split_words
from codetune_ui.runs.events import Event
from codetune_ui.runs.state import State

PRESET_LABELS = {"demo": "Demo", "guide": "Guide", "recommended": "Recommended"}

STATE_LABELS: dict[State, str] = {
    "created": "not started",
    "waiting": "waiting",
    "preparing": "preparing",
    "running": "running",
    "stopping": "stopping",
    "finished": "finished",
    "stopped": "stopped",
    "failed": "failed",
    "lost": "lost",
}
STEADY = "Training"  # the phase of a run in which nothing else goes on
LOG_CHARACTERS = 2000  # of one line; what is longer is a dump, and the whole is in worker.log


def headline(
    state: State,
    *,
    step: int = 0,
    total: int = 0,
    phase: str = "",
    message: str = "",
    discarding: bool = False,
    ended: bool = False,
    facts: str = "",
    turn: str = "",
) -> str:
    """Return the line under a run's name.

    facts: what it says while all is well; turn: what it says while it waits.
    ended: a person had the worker ended (a stop was asked for, and it did not end by itself).
    """
    at = f" at step {step:,}" if step else " before the first step"
    match state:
        case "created":
            return "It has not begun."
        case "waiting":
            return turn
        case "preparing":
            return _sentence(phase) or "Getting ready."
        case "running":
            busy = phase if phase != STEADY else ""  # evaluating, saving
            return _sentence(busy) or facts or f"Step {step:,} of {total:,}."
        case "stopping":
            then = "then discarding what it learned" if discarding else "then saving"
            return f"Finishing step {step + 1:,}, {then}." if step else "Stopping."
        case "finished":
            return message or f"Finished all {total or step:,} steps."
        case "stopped":
            return f"Stopped{at}."
        case "failed":
            return message or "It failed without a word."
        case "lost":
            return f"Ended by you{at}." if ended else f"Ended without notice{at}."


def turn(place: int, at_work: str) -> str:
    """Return how long a waiting run has to wait; place: in the queue, from 1.

    >>> turn(2, "calm-otter")
    "Waits for its turn: 1 run before it, 'calm-otter' is at work."
    """
    before = place - 1
    runs = f"{before:,} run{'s' if before > 1 else ''} before it" if before > 0 else "it is next"
    return f"Waits for its turn: {runs}" + (f", '{at_work}' is at work." if at_work else ".")


def way_out(state: State, hint: str, checkpoint_step: int) -> str:
    """Return the sentence that says what can be done now; "" when nothing needs saying."""
    if state == "failed":
        return hint or "See the last lines of the log."
    if state in ("lost", "stopped") and checkpoint_step:
        return f"Resume goes on from step {checkpoint_step:,}."
    if state == "lost":
        return "No checkpoint was written yet: start it anew."
    return ""


def overfit(since: int | None, keeps: str = "", best: int = 0) -> str:
    """Return that a run learns its code by heart.

    keeps: which adapter it will have in the end, best: the step of the best one so far.
    """
    if since is None:
        return ""
    begin = f"step {since:,}" if since else "the first step"
    sentence = (
        f"Held-out code got worse since {begin} while the training loss fell: "
        "it is learning this code by heart."
    )
    if keeps == "best" and best:
        return f"{sentence} The adapter of step {best:,} is kept."
    if keeps == "last":
        return f"{sentence} The adapter will be that of the last step, as set."
    return sentence


def settings_line(config: Config) -> str:
    """Return a run's settings in one line.

    >>> settings_line(Config(base_model="demo"))
    'demo model · LoRA r=16 α=32 · 2,048 tokens · 16 rows per step · lr 0.0002 cosine · NF4'
    """
    rows = "row" if config.global_batch_rows == 1 else "rows"
    parts = [
        model_label(config.base_model),
        f"LoRA r={config.lora_rank} α={config.lora_alpha}",
        f"{config.max_seq_len:,} tokens",
        f"{config.global_batch_rows:,} {rows} per step",
        f"lr {config.learning_rate:g} {config.lr_scheduler.split('_')[0]}",
        "NF4" if config.quant == "nf4" else config.compute_dtype,
    ]
    return " · ".join(parts)


def model_label(base_model: str) -> str:
    """Return a base model's short name: of a Hub id or a path the last part."""
    return "demo model" if base_model == DEMO else _last_part(base_model)


def source_label(source: str) -> str:
    """Return a data source's short name."""
    return "demo code" if source == DEMO else _last_part(source.removeprefix("hub:"))


def duration(seconds: float | None) -> str:
    """Return a time span as one looks at it.

    >>> [duration(s) for s in (42, 600, 7000, None)]
    ['42 s', '10 min', '1.9 h', '']
    """
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(size_bytes: float) -> str:
    """Return a size on disk.

    >>> [size(b) for b in (900, 38_400_000, 5_000_000_000)]
    ['900 B', '36.6 MiB', '4.7 GiB']
    """
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes:.0f} B"


def log_line(event: Event) -> tuple[str, str] | None:
    """Return (kind, text) of an event for the log; None for those that only draw the curve."""
    match event["kind"]:
        case "log":
            return str(event.get("level", "info")), _one_line(event.get("message"))
        case "phase":
            return "info", _one_line(event.get("message") or event.get("phase"))
        case "eval":
            return "eval", f"step {_whole(event)}  held-out loss {_figure(event.get('val_loss'))}"
        case "scorecard":
            nll = f"{_figure(event.get('middle_nll_per_char'))} nats per character"
            return "eval", f"step {_whole(event)}  held-out holes {nll}{_exact(event)}"
        case "checkpoint":
            taken = size(float(event.get("bytes") or 0))
            return "info", f"step {_whole(event)}  checkpoint saved ({taken})"
        case "resume":
            return "info", f"resumed after step {_whole(event)}"
        case _:
            return None


def plan_facts(plan: Event) -> str:
    """Return what preparing found out, in one line, from a run's plan event."""
    parts = [
        _counted(plan, "train_rows", "rows to train on"),
        _counted(plan, "val_rows", "held-out rows"),
        _counted(plan, "tokens_per_step", "tokens per step"),
        _share(plan, "fim_rate_effective", "with a hole"),
        split_words(int(plan.get("base_parts") or 1)),
        str(plan.get("family") or ""),
        str(plan.get("device") or ""),
    ]
    return " · ".join(part for part in parts if part)


def command_line(config: Config) -> str:
    """Return the command that repeats a run: the nearest preset, and what differs from it."""
    values = {name: getattr(config, name) for name in SETTINGS}
    name, changes = min(
        ((name, _changes(values, preset)) for name, preset in PRESETS.items()),
        key=lambda found: len(found[1]),
    )
    words = ["python", "app.py", "train", "--preset", name]
    for flag, setting in (("--model", "base_model"), ("--data", "source")):
        if setting in changes:
            words += [flag, str(changes.pop(setting))]
    for setting, value in changes.items():
        words += ["--set", f"{setting}={value}"]
    return shlex.join(words)


def _changes(values: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    wanted = {name: preset.get(name, about.default) for name, about in SETTINGS.items()}
    return {name: value for name, value in values.items() if value != wanted[name]}


def _last_part(text: str) -> str:
    return text.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def _counted(event: Event, name: str, what: str) -> str:
    value = event.get(name)
    return f"{value:,} {what}" if isinstance(value, int) else ""


def _share(event: Event, name: str, what: str) -> str:
    value = event.get(name)
    return f"{value:.0%} {what}" if isinstance(value, (int, float)) else ""


def _exact(event: Event) -> str:
    share, holes = event.get("exact"), event.get("holes")
    if not isinstance(share, float) or not isinstance(holes, int):
        return ""
    return f", {round(share * holes)} of {holes} exact"


def _one_line(text: object) -> str:
    return " ".join(str(text or "").split("\n"))[:LOG_CHARACTERS]


def _whole(event: Event) -> str:
    step = event.get("step")
    return f"{step:,}" if isinstance(step, int) else "?"


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) else "not a number"


COMMAND_LINE = {  # the ways out name options where the page has fields
    " with --to": "",
    "Leave --quant away.": "Choose another precision.",
    "Export it with --format adapter.": "Choose the format Adapter.",
    " number format with --quant.": " number format.",
}


def page_words(text: str) -> str:
    """Return a way out in the page's words.

    >>> page_words("Choose another folder with --to.")
    'Choose another folder.'
    >>> page_words("Choose a finer number format with --quant.")
    'Choose a finer number format.'
    """
    for old, new in COMMAND_LINE.items():
        text = text.replace(old, new)
    return text
