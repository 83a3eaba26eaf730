"""Fleet rules: small decisions that other packages ask for. Rules read rows and change nothing."""

from __future__ import annotations

from collections.abc import Sequence

from brinemoor.fleet.crew import CrewHandService
from brinemoor.fleet.hull import Hull, HullRepo
from brinemoor.fleet.tank import FuelTankService
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft, Tonnage
from brinemoor.kernel.registry import quay_rule
from brinemoor.kernel.trace import trace_span


@quay_rule("fleet.hull_can_load")
def hull_can_load(ctx: BerthContext, hull_no: str, load: Tonnage) -> Outcome[Tonnage]:
    """The room that is left in a hold after ``load``.

    Fails with NOT_ON_FILE, OVER_CAPACITY.
    """
    require_grant(ctx, "fleet.read")
    require_slot(ctx, "hull_no", hull_no)
    require_positive(ctx, "load", load.kg)
    with trace_span("harbor.fleet.rule.hull_can_load", ctx) as span:
        hulls = HullRepo(ctx)
        hull = hulls.fetch_one_by("hull_no", hull_no)
        if hull is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
        if load.is_over(hull.hold_limit):
            return Outcome.fail(
                ErrCode.OVER_CAPACITY, f"hull {hull_no} holds {hull.hold_limit.label()} at most"
            )
        span.note("hull_no", hull_no)
        return Outcome.ok(hull.hold_limit.minus_load(load))


@quay_rule("fleet.hull_is_fit")
def hull_is_fit(ctx: BerthContext, hull_no: str) -> Outcome[Hull]:
    """The hull, when it is fit right now.

    Fails with NOT_ON_FILE, HULL_UNFIT.
    """
    require_grant(ctx, "fleet.read")
    require_slot(ctx, "hull_no", hull_no)
    with trace_span("harbor.fleet.rule.hull_is_fit", ctx) as span:
        hulls = HullRepo(ctx)
        hull = hulls.fetch_one_by("hull_no", hull_no)
        if hull is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
        now = ctx.clock.now_stamp()
        if not hull.is_fit_at(now):
            return Outcome.fail(
                ErrCode.HULL_UNFIT, f"hull {hull_no} was fit until {hull.fit_until.label()}"
            )
        span.note("hull_no", hull_no)
        return Outcome.ok(hull)


@quay_rule("fleet.run_is_ready")
def run_is_ready(ctx: BerthContext, hull_no: str, hours: int) -> Outcome[int]:
    """All that a skipper must have for a run: a fit hull, a crew and fuel."""
    require_grant(ctx, "fleet.read")
    require_slot(ctx, "hull_no", hull_no)
    require_positive(ctx, "hours", hours)
    with trace_span("harbor.fleet.rule.run_is_ready", ctx) as span:
        fit = hull_is_fit(ctx, hull_no)
        if not fit.is_ok:
            return fit.carry_failure()
        manned = CrewHandService(ctx).confirm_manning(hull_no)
        if not manned.is_ok:
            return manned.carry_failure()
        span.note("hands", manned.unwrap())
        return FuelTankService(ctx).clear_for_run(hull_no, hours)


@quay_rule("fleet.deepest_draft")
def deepest_draft(ctx: BerthContext, hull_nos: Sequence[str]) -> Outcome[Draft]:
    """The deepest draft of a convoy; it decides which tide window will do.

    Fails with NOT_ON_FILE.
    """
    require_grant(ctx, "fleet.read")
    with trace_span("harbor.fleet.rule.deepest_draft", ctx) as span:
        hulls = HullRepo(ctx)
        deepest = Draft.of_cm(0)
        for hull_no in hull_nos:
            hull = hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            deepest = max(deepest, hull.draft)
        span.note("hulls", len(hull_nos))
        return Outcome.ok(deepest)
