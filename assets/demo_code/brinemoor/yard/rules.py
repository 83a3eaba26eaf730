"""Yard rules: where a crate fits and which crane may take a load."""

from __future__ import annotations

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft, Tonnage
from brinemoor.kernel.registry import quay_rule
from brinemoor.kernel.trace import trace_span
from brinemoor.yard.crane import Crane, CraneRepo
from brinemoor.yard.stack import CrateStack, CrateStackRepo


@quay_rule("yard.lowest_stack")
def lowest_stack(ctx: BerthContext, row_code: str) -> Outcome[CrateStack]:
    """The lowest stack of a row that is neither full nor frozen.

    Fails with STACK_FULL.
    """
    require_grant(ctx, "yard.read")
    require_slot(ctx, "row_code", row_code)
    with trace_span("harbor.yard.rule.lowest_stack", ctx) as span:
        stacks = CrateStackRepo(ctx).fetch_all_by(row_code=row_code, frozen_by="")
        fitting = [stack for stack in stacks if len(stack.crates) < stack.height_limit]
        if not fitting:
            return Outcome.fail(ErrCode.STACK_FULL, f"row {row_code} is full")
        lowest = min(fitting, key=lambda stack: (len(stack.crates), stack.stack_id))
        span.note("row_code", row_code)
        span.note("stack_id", lowest.stack_id)
        return Outcome.ok(lowest)


@quay_rule("yard.crane_for")
def crane_for(ctx: BerthContext, load: Tonnage, reach: Draft) -> Outcome[Crane]:
    """The working crane with the fewest lifts that may take the load.

    Fails with LIFT_OVERLOAD.
    """
    require_grant(ctx, "yard.read")
    require_positive(ctx, "load", load.kg)
    require_positive(ctx, "reach", reach.cm)
    with trace_span("harbor.yard.rule.crane_for", ctx) as span:
        able = [
            crane
            for crane in CraneRepo(ctx).fetch_working()
            if not load.is_over(crane.rating_at(reach)) and not reach.is_over(crane.reach_limit)
        ]
        if not able:
            return Outcome.fail(
                ErrCode.LIFT_OVERLOAD, f"no crane lifts {load.label()} at {reach.label()}"
            )
        chosen = min(able, key=lambda crane: (crane.lifts_today, crane.crane_id))
        span.note("crane_id", chosen.crane_id)
        span.note("able", len(able))
        return Outcome.ok(chosen)


@quay_rule("yard.digs_needed")
def digs_needed(ctx: BerthContext, crate_no: str) -> Outcome[int]:
    """How many crates must be moved before this one is free.

    Fails with NOT_ON_FILE.
    """
    require_grant(ctx, "yard.read")
    require_slot(ctx, "crate_no", crate_no)
    with trace_span("harbor.yard.rule.digs_needed", ctx) as span:
        stack = CrateStackRepo(ctx).fetch_with_crate(crate_no)
        if stack is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"crate {crate_no} lies in no stack")
        span.note("crate_no", crate_no)
        span.note("stack_id", stack.stack_id)
        return Outcome.ok(stack.crates_above(crate_no))
