"""Fleet sheets for the quay office."""

from __future__ import annotations

from brinemoor.fleet.crew import CrewHandRepo
from brinemoor.fleet.hull import HullKind, HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import total_load
from brinemoor.kernel.registry import quay_sheet
from brinemoor.kernel.sheet import QuaySheet
from brinemoor.kernel.trace import trace_span


@quay_sheet("fleet.register")
def register(ctx: BerthContext, kind: HullKind) -> Outcome[QuaySheet]:
    """The hull register of one kind of build."""
    require_grant(ctx, "fleet.read")
    with trace_span("harbor.fleet.sheet.register", ctx) as span:
        sheet = QuaySheet("fleet.register", ctx)
        sheet.add_column("hull")
        sheet.add_column("state")
        sheet.add_column("draft", lean="right")
        sheet.add_column("hold", lean="right")
        sheet.add_column("fit until")
        hulls = HullRepo(ctx).fetch_all_by(kind=kind)
        for hull in hulls:
            sheet.add_line(
                hull.hull_no, hull.state.value, hull.draft, hull.hold_limit, hull.fit_until
            )
        sheet.add_total("hold", total_load(hull.hold_limit for hull in hulls))
        span.note("kind", kind.value)
        span.note("lines", len(sheet.lines))
        return Outcome.ok(sheet.seal())


@quay_sheet("fleet.manning")
def manning(ctx: BerthContext) -> Outcome[QuaySheet]:
    """Who is aboard which hull, with the hours of this week."""
    require_grant(ctx, "fleet.read")
    with trace_span("harbor.fleet.sheet.manning", ctx) as span:
        sheet = QuaySheet("fleet.manning", ctx)
        sheet.add_column("hull")
        sheet.add_column("hand")
        sheet.add_column("rank")
        sheet.add_column("hours", lean="right")
        aboard = [hand for hand in CrewHandRepo(ctx).fetch_all_by() if not hand.is_ashore()]
        for hand in sorted(aboard, key=lambda hand: (hand.hull_no, hand.hand_id)):
            sheet.add_line(hand.hull_no, hand.hand_id, hand.rank.value, hand.hours_this_week)
        sheet.add_total("hands aboard", len(aboard))
        span.note("lines", len(sheet.lines))
        return Outcome.ok(sheet.seal())
