"""Fleet jobs that the tide scheduler runs. Each returns how many rows it has touched."""

from __future__ import annotations

from brinemoor.fleet.hull import HullRepo, HullState
from brinemoor.fleet.tank import FuelTankRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import tide_job
from brinemoor.kernel.trace import trace_span


@tide_job("fleet.lay_up_unfit", every_minutes=720)
def lay_up_unfit(ctx: BerthContext) -> Outcome[int]:
    """Lay up every ready hull whose fitness has lapsed."""
    require_grant(ctx, "fleet.jobs")
    with trace_span("harbor.fleet.job.lay_up_unfit", ctx) as span:
        now = ctx.clock.now_stamp()
        hulls = HullRepo(ctx)
        lapsed = [
            hull for hull in hulls.fetch_all_by(state=HullState.READY) if not hull.is_fit_at(now)
        ]
        for hull in lapsed:
            hulls.save_row(hull.with_changes(state=HullState.LAID_UP))
            ctx.ledger.post_event("fleet.hull.laid_up", hull_no=hull.hull_no)
        span.note("hulls", len(lapsed))
        return Outcome.ok(len(lapsed))


@tide_job("fleet.warn_low_tanks", every_minutes=180)
def warn_low_tanks(ctx: BerthContext) -> Outcome[int]:
    """Warn about tanks that would not last through a double shift."""
    require_grant(ctx, "fleet.jobs")
    with trace_span("harbor.fleet.job.warn_low_tanks", ctx) as span:
        warn_hours = ctx.knob("fleet.tank.warn_hours", default=16)
        low = [tank for tank in FuelTankRepo(ctx).fetch_all_by() if tank.hours_left() < warn_hours]
        for tank in low:
            ctx.ledger.post_event("fleet.tank.low", hull_no=tank.hull_no, hours=tank.hours_left())
        span.note("tanks", len(low))
        return Outcome.ok(len(low))
