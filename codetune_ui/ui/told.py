"""Answers to the page's own requests: what came of one, or the sentence to show instead.

Not a status of 4xx: a browser reports those on its console, as if the page were broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.lease import in_the_way
from codetune_ui.runs.process import stop_in_background
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.words import page_words

CANCEL_S = 20.0  # a worker that loads a model or merges weights does not hear at once


def told(deed: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do it, and return what it says; `error` is why it cannot be done, else ""."""
    try:
        return {"error": "", **deed()}
    except CodeTuneError as error:
        return {"error": page_words(str(error))}


def cancel(job: Run) -> dict[str, str]:
    """End a job that is at work."""
    if job.alive():
        stop_in_background(job, patience_s=CANCEL_S)
    return {"made": job.name}


def gpu_taken(home: Home) -> str:
    """Return who has the accelerator, in one sentence; "" when a job may begin."""
    held = in_the_way(home)
    if held is None:
        return ""
    return f"{held.name} is using the GPU ({held.what}). Stop it, or wait for its end."
