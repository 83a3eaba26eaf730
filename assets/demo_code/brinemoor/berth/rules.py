"""Berth rules: which slip a hull should get, and whether it may stay there."""

from __future__ import annotations

from brinemoor.berth.mooring import MooringLineService
from brinemoor.berth.slip import Slip, SlipRepo, SlipState
from brinemoor.berth.stay import StayRepo
from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_open_span, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Tonnage
from brinemoor.kernel.registry import quay_rule
from brinemoor.kernel.tidetime import TideSpan
from brinemoor.kernel.trace import trace_span
from brinemoor.tide.rules import calm_span


@quay_rule("berth.best_slip")
def best_slip(ctx: BerthContext, hull_no: str) -> Outcome[Slip]:
    """The shallowest free slip that will do, so that deep slips stay free.

    Fails with NOT_ON_FILE, BERTH_TAKEN.
    """
    require_grant(ctx, "berth.read")
    require_slot(ctx, "hull_no", hull_no)
    with trace_span("harbor.berth.rule.best_slip", ctx) as span:
        hulls = HullRepo(ctx)
        hull = hulls.fetch_one_by("hull_no", hull_no)
        if hull is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
        free = SlipRepo(ctx).fetch_free_for(hull.draft)
        if not free:
            return Outcome.fail(ErrCode.BERTH_TAKEN, f"no free slip is deep enough for {hull_no}")
        span.note("hull_no", hull_no)
        span.note("slip_id", free[0].slip_id)
        return Outcome.ok(free[0])


@quay_rule("berth.slip_is_open")
def slip_is_open(ctx: BerthContext, slip_id: str, stretch: TideSpan) -> Outcome[Slip]:
    """The slip, when nothing is booked on it during the stretch.

    Fails with NOT_ON_FILE, BOTTOM_FOUL, BERTH_TAKEN.
    """
    require_grant(ctx, "berth.read")
    require_slot(ctx, "slip_id", slip_id)
    require_open_span(ctx, "stretch", stretch)
    with trace_span("harbor.berth.rule.slip_is_open", ctx):
        slips = SlipRepo(ctx)
        slip = slips.fetch_one_by("slip_id", slip_id)
        if slip is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
        if slip.state is SlipState.BLOCKED:
            return Outcome.fail(ErrCode.BOTTOM_FOUL, f"slip {slip_id} is blocked")
        if StayRepo(ctx).fetch_blocking(slip_id, stretch):
            return Outcome.fail(ErrCode.BERTH_TAKEN, f"slip {slip_id} is booked")
        return calm_span(ctx, stretch).then(lambda _: Outcome.ok(slip))


@quay_rule("berth.storm_ready")
def storm_ready(ctx: BerthContext, slip_id: str, extra_cm: int) -> Outcome[Tonnage]:
    """Whether the lines of a slip hold in a surge of ``extra_cm``."""
    require_grant(ctx, "berth.read")
    require_slot(ctx, "slip_id", slip_id)
    require_positive(ctx, "extra_cm", extra_cm)
    with trace_span("harbor.berth.rule.storm_ready", ctx) as span:
        # Tide rule: every ten centimetres of surge pull with another two tonnes.
        pull = Tonnage.of_tonnes(10 + 2 * (extra_cm // 10))
        power = MooringLineService(ctx).holding_power(slip_id, pull)
        if not power.is_ok:
            return power.carry_failure()
        span.note("slip_id", slip_id)
        span.note("pull_kg", pull.kg)
        return Outcome.ok(power.unwrap().minus_load(pull))
