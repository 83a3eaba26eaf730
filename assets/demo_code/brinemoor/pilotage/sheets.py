"""Pilotage sheets for the pilot house."""

from __future__ import annotations

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.guards import require_grant, require_positive
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import quay_sheet
from brinemoor.kernel.sheet import QuaySheet
from brinemoor.kernel.trace import trace_span
from brinemoor.pilotage.licence import LicenceRepo
from brinemoor.pilotage.pilot import PilotRepo


@quay_sheet("pilotage.duty_board")
def duty_board(ctx: BerthContext) -> Outcome[QuaySheet]:
    """Pilots on duty with their class and their acts."""
    require_grant(ctx, "pilotage.read")
    with trace_span("harbor.pilotage.sheet.duty_board", ctx) as span:
        sheet = QuaySheet("pilotage.duty_board", ctx)
        sheet.add_column("pilot")
        sheet.add_column("class")
        sheet.add_column("acts", lean="right")
        sheet.add_column("draft limit", lean="right")
        for pilot in PilotRepo(ctx).fetch_on_duty():
            limit = pilot.pilot_class.draft_limit()
            sheet.add_line(pilot.pilot_id, pilot.pilot_class.value, pilot.acts_on_duty, limit)
        sheet.add_total("on duty", len(sheet.lines))
        span.note("lines", len(sheet.lines))
        return Outcome.ok(sheet.seal())


@quay_sheet("pilotage.lapsing_licences")
def lapsing_licences(ctx: BerthContext, days: int) -> Outcome[QuaySheet]:
    """Licences that lapse within ``days`` and the trips they still lack."""
    require_grant(ctx, "pilotage.read")
    require_positive(ctx, "days", days)
    with trace_span("harbor.pilotage.sheet.lapsing_licences", ctx) as span:
        sheet = QuaySheet("pilotage.lapsing_licences", ctx)
        sheet.add_column("licence")
        sheet.add_column("pilot")
        sheet.add_column("water")
        sheet.add_column("lapses")
        sheet.add_column("trips missing", lean="right")
        horizon = ctx.clock.now_stamp().plus_days(days)
        wanted = ctx.knob("pilotage.licence.trips_wanted", default=12)
        for licence in LicenceRepo(ctx).fetch_all_by(revoked=False):
            if licence.valid.closes > horizon:
                continue
            missing = max(0, wanted - licence.trips)
            sheet.add_line(
                licence.licence_no,
                licence.pilot_id,
                licence.water_code,
                licence.valid.closes,
                missing,
            )
        sheet.add_total("lapsing", len(sheet.lines))
        span.note("lines", len(sheet.lines))
        return Outcome.ok(sheet.seal())
