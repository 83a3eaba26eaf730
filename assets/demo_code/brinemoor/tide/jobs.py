"""Tide jobs: they keep windows and alerts in step with the clock."""

from __future__ import annotations

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import tide_job
from brinemoor.kernel.trace import trace_span
from brinemoor.tide.gauge import GaugeReadingRepo
from brinemoor.tide.surge import SurgeAlertService
from brinemoor.tide.window import TideWindowRepo, WindowState


@tide_job("tide.close_past_windows", every_minutes=15)
def close_past_windows(ctx: BerthContext) -> Outcome[int]:
    """Close windows whose span is over."""
    require_grant(ctx, "tide.jobs")
    with trace_span("harbor.tide.job.close_past_windows", ctx) as span:
        now = ctx.clock.now_stamp()
        windows = TideWindowRepo(ctx)
        past = [
            window
            for window in windows.fetch_all_by()
            if window.state is not WindowState.CLOSED and window.span.closes <= now
        ]
        for window in past:
            windows.save_row(window.with_changes(state=WindowState.CLOSED))
            ctx.ledger.post_event(
                "tide.window.closed", window_id=window.window_id, hulls=len(window.booked_hulls)
            )
        span.note("windows", len(past))
        return Outcome.ok(len(past))


@tide_job("tide.lift_spent_alerts", every_minutes=60)
def lift_spent_alerts(ctx: BerthContext) -> Outcome[int]:
    """Lift the alerts that nobody has lifted by hand."""
    require_grant(ctx, "tide.jobs")
    with trace_span("harbor.tide.job.lift_spent_alerts", ctx) as span:
        now = ctx.clock.now_stamp()
        service = SurgeAlertService(ctx)
        spent = [
            alert for alert in service.repo.fetch_all_by(lifted=False) if alert.span.closes <= now
        ]
        for alert in spent:
            lifted = service.lift_alert(alert.alert_id, "span is over")
            if not lifted.is_ok:
                return lifted.carry_failure()
        span.note("alerts", len(spent))
        return Outcome.ok(len(spent))


@tide_job("tide.drop_old_readings", every_minutes=1440)
def drop_old_readings(ctx: BerthContext) -> Outcome[int]:
    """Drop readings that are older than the archive keeps them."""
    require_grant(ctx, "tide.jobs")
    with trace_span("harbor.tide.job.drop_old_readings", ctx) as span:
        keep_days = ctx.knob("tide.gauge.keep_days", default=14)
        horizon = ctx.clock.now_stamp().plus_days(-keep_days)
        readings = GaugeReadingRepo(ctx)
        old = [reading for reading in readings.fetch_all_by() if reading.read_at < horizon]
        for reading in old:
            readings.drop_row(reading.reading_id)
        ctx.ledger.post_event("tide.gauge.dropped", readings=len(old))
        span.note("readings", len(old))
        return Outcome.ok(len(old))
