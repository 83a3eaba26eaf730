"""Cold hold rules: where a lot should lie and whether the chain was ever broken."""

from __future__ import annotations

from brinemoor.coldhold.chamber import Chamber, ChamberRepo, ChamberState
from brinemoor.coldhold.probe import ProbeReadingService
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Tonnage
from brinemoor.kernel.registry import quay_rule
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


@quay_rule("coldhold.coldest_room")
def coldest_room(ctx: BerthContext, weight: Tonnage) -> Outcome[Chamber]:
    """The coldest chamber that still has room for ``weight``.

    Fails with OVER_CAPACITY.
    """
    require_grant(ctx, "coldhold.read")
    with trace_span("harbor.coldhold.rule.coldest_room", ctx) as span:
        require_positive(ctx, "weight", weight.kg)
        cold = ChamberRepo(ctx).fetch_all_by(state=ChamberState.COLD)
        fitting = [chamber for chamber in cold if not weight.is_over(chamber.room_left())]
        if not fitting:
            return Outcome.fail(
                ErrCode.OVER_CAPACITY, f"no cold chamber has room for {weight.label()}"
            )
        best = min(fitting, key=lambda chamber: (chamber.set_point, chamber.chamber_id))
        span.note("chamber_id", best.chamber_id)
        return Outcome.ok(best)


@quay_rule("coldhold.chain_unbroken")
def chain_unbroken(ctx: BerthContext, lot_no: str, since: TideStamp) -> Outcome[int]:
    """Warm minutes of a lot, when they stay below the limit of the port.

    Fails with NOT_ON_FILE, LOT_SPOILED.
    """
    require_grant(ctx, "coldhold.read")
    require_slot(ctx, "lot_no", lot_no)
    with trace_span("harbor.coldhold.rule.chain_unbroken", ctx) as span:
        chamber = ChamberRepo(ctx).fetch_holding(lot_no)
        if chamber is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} lies in no chamber")
        warm = ProbeReadingService(ctx).warm_minutes(chamber.chamber_id, since)
        if not warm.is_ok:
            return warm.carry_failure()
        warm_limit = ctx.knob("coldhold.probe.warm_minutes", default=90)
        if warm.unwrap() > warm_limit:
            return Outcome.fail(
                ErrCode.LOT_SPOILED, f"lot {lot_no} was warm for {warm.unwrap()} minutes"
            )
        span.note("lot_no", lot_no)
        span.note("chamber_id", chamber.chamber_id)
        return Outcome.ok(warm.unwrap())
