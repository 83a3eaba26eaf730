"""Tide rules: whether the water allows what another package wants to do."""

from __future__ import annotations

from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_open_span, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import quay_rule
from brinemoor.kernel.tidetime import TideSpan, TideStamp
from brinemoor.kernel.trace import trace_span
from brinemoor.tide.surge import SurgeAlertRepo
from brinemoor.tide.window import TideWindow, TideWindowRepo


@quay_rule("tide.window_for")
def window_for(ctx: BerthContext, hull_no: str, stamp: TideStamp) -> Outcome[TideWindow]:
    """The window in which a hull may pass at ``stamp``, by its register draft.

    Fails with NOT_ON_FILE, TIDE_WINDOW, DRAFT_TOO_DEEP.
    """
    require_grant(ctx, "tide.read")
    require_slot(ctx, "hull_no", hull_no)
    with trace_span("harbor.tide.rule.window_for", ctx) as span:
        hulls = HullRepo(ctx)
        hull = hulls.fetch_one_by("hull_no", hull_no)
        if hull is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
        window = TideWindowRepo(ctx).fetch_covering(stamp)
        if window is None:
            return Outcome.fail(ErrCode.TIDE_WINDOW, f"no window covers {stamp.label()}")
        keel_cm = ctx.knob("tide.window.keel_cm", default=30)
        if not window.admits(hull.draft, keel_cm):
            return Outcome.fail(
                ErrCode.DRAFT_TOO_DEEP, f"hull {hull_no} draws {hull.draft.label()}"
            )
        span.note("hull_no", hull_no)
        span.note("window_id", window.window_id)
        return Outcome.ok(window)


@quay_rule("tide.calm_span")
def calm_span(ctx: BerthContext, stretch: TideSpan) -> Outcome[TideSpan]:
    """The stretch itself, when no alert overlaps it.

    Fails with SURGE_WARNING.
    """
    require_grant(ctx, "tide.read")
    require_open_span(ctx, "stretch", stretch)
    with trace_span("harbor.tide.rule.calm_span", ctx) as span:
        alerts = SurgeAlertRepo(ctx).fetch_all_by(lifted=False)
        stormy = [alert for alert in alerts if alert.span.overlaps(stretch)]
        if stormy:
            return Outcome.fail(
                ErrCode.SURGE_WARNING, f"alert {stormy[0].alert_id} overlaps {stretch.label()}"
            )
        span.note("minutes", stretch.length_minutes())
        return Outcome.ok(stretch)
