"""Pilotage rules: whether a hull needs a pilot, and who should go."""

from __future__ import annotations

from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.registry import quay_rule
from brinemoor.kernel.trace import trace_span
from brinemoor.pilotage.licence import LicenceRepo
from brinemoor.pilotage.pilot import Pilot, PilotRepo
from brinemoor.tide.surge import SurgeAlertRepo


@quay_rule("pilotage.pilot_needed")
def pilot_needed(ctx: BerthContext, hull_no: str) -> Outcome[bool]:
    """Deep hulls and all barges need a pilot, cutters only in a surge.

    Fails with NOT_ON_FILE.
    """
    require_grant(ctx, "pilotage.read")
    require_slot(ctx, "hull_no", hull_no)
    with trace_span("harbor.pilotage.rule.pilot_needed", ctx) as span:
        hulls = HullRepo(ctx)
        hull = hulls.fetch_one_by("hull_no", hull_no)
        if hull is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
        free_draft = Draft.of_cm(ctx.knob("pilotage.rule.free_draft_cm", default=200))
        stormy = SurgeAlertRepo(ctx).fetch_holding(ctx.clock.now_stamp())
        needed = hull.kind.needs_tug() or hull.draft.is_over(free_draft) or bool(stormy)
        span.note("hull_no", hull_no)
        span.note("needed", needed)
        return Outcome.ok(needed)


@quay_rule("pilotage.pilot_for")
def pilot_for(ctx: BerthContext, hull_no: str, water_code: str) -> Outcome[Pilot]:
    """The least busy pilot on duty with the class and the licence for this job.

    Fails with NOT_ON_FILE, PILOT_RESTING.
    """
    require_grant(ctx, "pilotage.read")
    require_slot(ctx, "hull_no", hull_no)
    require_slot(ctx, "water_code", water_code)
    with trace_span("harbor.pilotage.rule.pilot_for", ctx) as span:
        hulls = HullRepo(ctx)
        hull = hulls.fetch_one_by("hull_no", hull_no)
        if hull is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
        licences = LicenceRepo(ctx)
        now = ctx.clock.now_stamp()
        for pilot in PilotRepo(ctx).fetch_on_duty():
            licence = licences.fetch_valid(pilot.pilot_id, water_code, now)
            if licence is not None and pilot.may_bring(hull.draft):
                span.note("licence_no", licence.licence_no)
                return Outcome.ok(pilot)
        return Outcome.fail(ErrCode.PILOT_RESTING, f"no pilot on duty may bring {hull_no} in")
