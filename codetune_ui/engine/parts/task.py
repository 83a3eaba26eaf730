"""One task of a preparation, as datatrove calls it on this machine or on a node."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from codetune_ui.core import secrets
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.store import Run

REFUSED = "refused.json"


class Task:
    """One step as datatrove calls it; what a person did wrong is left in a file."""

    def __init__(self, step: str, folder: Path) -> None:
        self.step, self.folder = step, str(folder)

    def __call__(self, data: object, rank: int, world_size: int) -> None:  # noqa: ARG002
        """Do one task of the step."""
        from codetune_ui.engine.parts.steps import STEPS

        secrets.THREADS = 1  # there are as many processes as there is room for
        run, began, worked = Run(Path(self.folder)), time.monotonic(), time.process_time()
        try:
            STEPS[self.step](run, rank)
        except CodeTuneError as error:
            replace_json(run.path / REFUSED, {"message": error.message, "hint": error.hint})
            raise RuntimeError(str(error)) from None  # theirs cannot be handed to a process
        used = {
            "seconds": round(time.monotonic() - began, 2),
            "processor_seconds": round(time.process_time() - worked, 2),
            "peak_mb": _peak_mb(),
        }
        replace_json(log_of(run, self.step) / f"used-{rank:05d}.json", used)


def log_of(run: Run, step: str) -> Path:
    """Return where the tasks of a step say what they do, and which are done."""
    return run.path / "tasks" / step


def done(run: Run, step: str) -> int:
    """Return how many tasks of a step are done."""
    return sum(1 for _ in (log_of(run, step) / "completions").glob("*"))


def _peak_mb() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1_000_000 if sys.platform == "darwin" else 1000))
