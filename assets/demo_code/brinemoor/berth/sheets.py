"""Berth sheets: the board in the quay office and the list for the line handlers."""

from __future__ import annotations

from brinemoor.berth.slip import SlipRepo, SlipState
from brinemoor.berth.stay import StayRepo, StayState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.guards import require_grant, require_open_span
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import quay_sheet
from brinemoor.kernel.sheet import QuaySheet
from brinemoor.kernel.tidetime import TideSpan
from brinemoor.kernel.trace import trace_span


@quay_sheet("berth.board")
def board(ctx: BerthContext) -> Outcome[QuaySheet]:
    """Every slip with its hull, as the board shows it."""
    require_grant(ctx, "berth.read")
    with trace_span("harbor.berth.sheet.board", ctx) as span:
        sheet = QuaySheet("berth.board", ctx)
        sheet.add_column("slip")
        sheet.add_column("quay")
        sheet.add_column("depth", lean="right")
        sheet.add_column("state")
        sheet.add_column("hull")
        slips = SlipRepo(ctx).fetch_all_by()
        for slip in slips:
            sheet.add_line(
                slip.slip_id, slip.quay_code, slip.depth, slip.state.value, slip.hull_no or "-"
            )
        taken = [slip for slip in slips if slip.state is SlipState.TAKEN]
        sheet.add_total("taken", f"{len(taken)} of {len(slips)}")
        span.note("lines", len(sheet.lines))
        return Outcome.ok(sheet.seal())


@quay_sheet("berth.arrivals")
def arrivals(ctx: BerthContext, stretch: TideSpan) -> Outcome[QuaySheet]:
    """Stays that begin in a stretch of time, for the line handlers."""
    require_grant(ctx, "berth.read")
    require_open_span(ctx, "stretch", stretch)
    with trace_span("harbor.berth.sheet.arrivals", ctx) as span:
        sheet = QuaySheet("berth.arrivals", ctx)
        sheet.add_column("stay")
        sheet.add_column("hull")
        sheet.add_column("slip")
        sheet.add_column("opens")
        sheet.add_column("minutes", lean="right")
        booked = StayRepo(ctx).fetch_all_by(state=StayState.BOOKED)
        arriving = [stay for stay in booked if stretch.covers(stay.span.opens)]
        for stay in sorted(arriving, key=lambda stay: stay.span.opens):
            sheet.add_line(
                stay.stay_id,
                stay.hull_no,
                stay.slip_id,
                stay.span.opens,
                stay.span.length_minutes(),
            )
        sheet.add_total("arrivals", len(arriving))
        span.note("lines", len(sheet.lines))
        return Outcome.ok(sheet.seal())
