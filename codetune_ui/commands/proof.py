"""The commands that measure: is an adapter better than its base, and by how much?"""

from __future__ import annotations

from codetune_ui.commands.options import (
    AsJson,
    EvaluatedRun,
    HoleCount,
    HomeDir,
    Kinds,
    RunOption,
    Seed,
)
from codetune_ui.commands.shared import cancelled_or_failed, finish, home_of, live_line
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
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Say whether a run's adapter is better than its base: both fill holes of held-out code."""
    request = Request(run=name or run or "", holes=holes, seed=seed, kinds=parse_kinds(kinds))
    job, found = evaluations.evaluate(home_of(home), request, live_line())
    if found is None:
        cancelled_or_failed(job, job.state(), "The evaluation was cancelled.")
    finish(found, [*verdict(found), f"All holes: {evaluations.report_path(job)}"], as_json)
