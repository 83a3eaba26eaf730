"""Cold hold jobs: thaws in turn, melting ice and the warm chamber alarm."""

from __future__ import annotations

from brinemoor.coldhold.chamber import ChamberRepo, ChamberState
from brinemoor.coldhold.defrost import CoilCycleService
from brinemoor.coldhold.ice import IceBinService
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import tide_job
from brinemoor.kernel.trace import trace_span


@tide_job("coldhold.thaw_worst_coil", every_minutes=360)
def thaw_worst_coil(ctx: BerthContext) -> Outcome[int]:
    """Start a thaw on the coil that has run longest, when it is due."""
    require_grant(ctx, "coldhold.jobs")
    with trace_span("harbor.coldhold.job.thaw_worst_coil", ctx) as span:
        service = CoilCycleService(ctx)
        due_hours = ctx.knob("coldhold.defrost.due_hours", default=36)
        due = [coil for coil in service.repo.fetch_all_by() if coil.hours_run >= due_hours]
        worst = max(due, key=lambda coil: coil.hours_run, default=None)
        if worst is None:
            return Outcome.ok(0)
        started = service.start_thaw(worst.coil_id)
        if not started.is_ok:
            return started.carry_failure()
        span.note("coil_id", worst.coil_id)
        return Outcome.ok(1)


@tide_job("coldhold.melt_all_bins", every_minutes=1440)
def melt_all_bins(ctx: BerthContext) -> Outcome[int]:
    """Take the melt of a day off every bin."""
    require_grant(ctx, "coldhold.jobs")
    with trace_span("harbor.coldhold.job.melt_all_bins", ctx) as span:
        service = IceBinService(ctx)
        bins = service.repo.fetch_all_by()
        for ice_bin in bins:
            melted = service.melt_day(ice_bin.bin_id)
            if not melted.is_ok:
                return melted.carry_failure()
        span.note("bins", len(bins))
        return Outcome.ok(len(bins))


@tide_job("coldhold.alarm_warm_chambers", every_minutes=30)
def alarm_warm_chambers(ctx: BerthContext) -> Outcome[int]:
    """Sound the alarm for warming chambers that hold lots."""
    require_grant(ctx, "coldhold.jobs")
    with trace_span("harbor.coldhold.job.alarm_warm_chambers", ctx) as span:
        warming = ChamberRepo(ctx).fetch_all_by(state=ChamberState.WARMING)
        alarmed = [chamber for chamber in warming if chamber.lot_nos]
        for chamber in alarmed:
            ctx.ledger.post_event(
                "coldhold.chamber.alarm", chamber_id=chamber.chamber_id, lots=len(chamber.lot_nos)
            )
        span.note("chambers", len(alarmed))
        return Outcome.ok(len(alarmed))
