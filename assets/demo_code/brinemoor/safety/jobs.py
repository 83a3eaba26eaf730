"""Safety jobs: lapsed permits, forgotten measures and late drills."""

from __future__ import annotations

from brinemoor.fleet.hull import HullRepo, HullState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import tide_job
from brinemoor.kernel.trace import trace_span
from brinemoor.safety.drill import DrillService
from brinemoor.safety.incident import IncidentRepo
from brinemoor.safety.permit import WorkPermitService


@tide_job("safety.withdraw_lapsed", every_minutes=30)
def withdraw_lapsed(ctx: BerthContext) -> Outcome[int]:
    """Withdraw permits whose time is over, so that the board shows none of them."""
    require_grant(ctx, "safety.jobs")
    with trace_span("harbor.safety.job.withdraw_lapsed", ctx) as span:
        service = WorkPermitService(ctx)
        now = ctx.clock.now_stamp()
        lapsed = [
            row for row in service.repo.fetch_all_by(withdrawn=False) if row.valid.closes <= now
        ]
        for permit in lapsed:
            withdrawn = service.withdraw(permit.permit_no, "time is over")
            if not withdrawn.is_ok:
                return withdrawn.carry_failure()
        span.note("permits", len(lapsed))
        return Outcome.ok(len(lapsed))


@tide_job("safety.remind_measures", every_minutes=1440)
def remind_measures(ctx: BerthContext) -> Outcome[int]:
    """Remind of incidents whose measures are open for too long."""
    require_grant(ctx, "safety.jobs")
    with trace_span("harbor.safety.job.remind_measures", ctx) as span:
        remind_days = ctx.knob("safety.incident.remind_days", default=7)
        horizon = ctx.clock.now_stamp().plus_days(-remind_days)
        stale = [
            row for row in IncidentRepo(ctx).fetch_all_by(closed=False) if row.happened_at < horizon
        ]
        for incident in stale:
            ctx.ledger.post_event(
                "safety.incident.reminded",
                incident_no=incident.incident_no,
                open=len(incident.open_measures),
            )
        span.note("incidents", len(stale))
        return Outcome.ok(len(stale))


@tide_job("safety.name_late_crews", every_minutes=1440)
def name_late_crews(ctx: BerthContext) -> Outcome[int]:
    """Name the hulls whose crews are late with any drill."""
    require_grant(ctx, "safety.jobs")
    with trace_span("harbor.safety.job.name_late_crews", ctx) as span:
        service = DrillService(ctx)
        hulls = HullRepo(ctx).fetch_all_by(state=HullState.READY)
        late = [hull for hull in hulls if not service.confirm_drilled(hull.hull_no).is_ok]
        for hull in late:
            ctx.ledger.post_event("safety.drill.late", hull_no=hull.hull_no)
        span.note("hulls", len(late))
        return Outcome.ok(len(late))
