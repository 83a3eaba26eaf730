"""Safety rules: what has to hold before anybody sails or works."""

from __future__ import annotations

from brinemoor.fleet.hull import Hull
from brinemoor.fleet.rules import hull_is_fit
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import quay_rule
from brinemoor.kernel.trace import trace_span
from brinemoor.safety.drill import DrillService
from brinemoor.safety.spill import SpillRepo


@quay_rule("safety.quay_is_clean")
def quay_is_clean(ctx: BerthContext, quay_code: str) -> Outcome[int]:
    """No spill may be open at the quay; gives the litres of closed ones.

    Fails with SPILL_OPEN.
    """
    require_grant(ctx, "safety.read")
    require_slot(ctx, "quay_code", quay_code)
    with trace_span("harbor.safety.rule.quay_is_clean", ctx) as span:
        spills = SpillRepo(ctx)
        open_spills = spills.fetch_open_at(quay_code)
        if open_spills:
            return Outcome.fail(
                ErrCode.SPILL_OPEN, f"quay {quay_code} has {open_spills[0].spill_no} open"
            )
        closed = spills.fetch_all_by(quay_code=quay_code, closed=True)
        span.note("quay_code", quay_code)
        span.note("spills", len(closed))
        return Outcome.ok(sum(spill.litres for spill in closed))


@quay_rule("safety.crew_may_sail")
def crew_may_sail(ctx: BerthContext, hull_no: str) -> Outcome[Hull]:
    """A fit hull whose crew has done its drills."""
    require_grant(ctx, "safety.read")
    require_slot(ctx, "hull_no", hull_no)
    with trace_span("harbor.safety.rule.crew_may_sail", ctx) as span:
        drilled = DrillService(ctx).confirm_drilled(hull_no)
        if not drilled.is_ok:
            return drilled.carry_failure()
        span.note("days_left", drilled.unwrap())
        return hull_is_fit(ctx, hull_no)
