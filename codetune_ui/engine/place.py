"""Where and how a run is trained: the values that most of a training's steps ask for."""

from __future__ import annotations

from dataclasses import dataclass

from codetune_ui.engine.hardware import Hardware
from codetune_ui.engine.model import Precision
from codetune_ui.engine.ranks import ALONE, Ranks
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.runs.store import Run


@dataclass(frozen=True)
class Place:
    """A run's folder, who hears of it, the machine, the others, and how the base is divided.

    base_parts: over how many processes; 1 where each has it whole.
    """

    run: Run
    reporter: Reporter
    stop: StopWish
    hardware: Hardware
    precision: Precision
    ranks: Ranks = ALONE
    base_parts: int = 1
