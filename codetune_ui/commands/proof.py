"""The commands that measure: is an adapter better than its base, and by how much?"""

from __future__ import annotations

from codetune_ui.commands.options import (
    AsJson,
    EvaluatedRun,
    FirstRun,
    HoleCount,
    HolesOf,
    HomeDir,
    Kinds,
    RunOption,
    SecondRun,
    Seed,
)
from codetune_ui.commands.shared import cancelled_or_failed, finish, home_of, live_line
from codetune_ui.core.comparison import summary as compared
from codetune_ui.core.evaluation import HOLES, Request
from codetune_ui.core.evaluation import summary as verdict
from codetune_ui.core.holes import ALL_KINDS, parse_kinds
from codetune_ui.runs import evaluations


def evaluate(
    name: EvaluatedRun = None,
    run: RunOption = None,
    holes: HoleCount = HOLES,
    seed: Seed = 0,
    kinds: Kinds = ALL_KINDS,
    holes_of: HolesOf = "",
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Say whether a run's adapter is better than its base: both fill holes of held-out code."""
    request = Request(
        run=name or run or "",
        holes=holes,
        seed=seed,
        kinds=parse_kinds(kinds),
        holes_of=holes_of,
    )
    job, found = evaluations.evaluate(home_of(home), request, live_line())
    if found is None:
        cancelled_or_failed(job, job.state(), "The evaluation was cancelled.")
    finish(found, [*verdict(found), f"All holes: {evaluations.report_path(job)}"], as_json)


def compare(
    first: FirstRun, second: SecondRun, as_json: AsJson = False, home: HomeDir = None
) -> None:
    """Say which of two adapters is better: two evaluations of the same holes, hole by hole."""
    found = evaluations.compare(home_of(home), first, second)
    finish(found, compared(found), as_json)
