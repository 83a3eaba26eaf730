"""Yard sheets for the foreman."""

from __future__ import annotations

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import quay_sheet
from brinemoor.kernel.sheet import QuaySheet
from brinemoor.kernel.trace import trace_span
from brinemoor.yard.gate import GatePassRepo
from brinemoor.yard.stack import CrateStackRepo


@quay_sheet("yard.stack_plan")
def stack_plan(ctx: BerthContext, row_code: str) -> Outcome[QuaySheet]:
    """The stacks of one row with their top crates."""
    require_grant(ctx, "yard.read")
    require_slot(ctx, "row_code", row_code)
    with trace_span("harbor.yard.sheet.stack_plan", ctx) as span:
        sheet = QuaySheet("yard.stack_plan", ctx)
        sheet.add_column("stack")
        sheet.add_column("crates", lean="right")
        sheet.add_column("limit", lean="right")
        sheet.add_column("top")
        sheet.add_column("frozen by")
        stacks = CrateStackRepo(ctx).fetch_all_by(row_code=row_code)
        for stack in stacks:
            sheet.add_line(
                stack.stack_id,
                len(stack.crates),
                stack.height_limit,
                stack.top_crate(),
                stack.frozen_by,
            )
        sheet.add_total("crates", sum(len(stack.crates) for stack in stacks))
        span.note("row_code", row_code)
        span.note("lines", len(sheet.lines))
        return Outcome.ok(sheet.seal())


@quay_sheet("yard.trucks_inside")
def trucks_inside(ctx: BerthContext) -> Outcome[QuaySheet]:
    """Trucks on the premises with the minutes since they came in."""
    require_grant(ctx, "yard.read")
    with trace_span("harbor.yard.sheet.trucks_inside", ctx) as span:
        sheet = QuaySheet("yard.trucks_inside", ctx)
        sheet.add_column("pass")
        sheet.add_column("plate")
        sheet.add_column("manifest")
        sheet.add_column("minutes", lean="right")
        now = ctx.clock.now_stamp()
        for gate_pass in GatePassRepo(ctx).fetch_inside():
            entered_at = gate_pass.entered_at or now
            sheet.add_line(
                gate_pass.pass_no,
                gate_pass.plate,
                gate_pass.manifest_no,
                entered_at.minutes_until(now),
            )
        sheet.add_total("trucks", len(sheet.lines))
        span.note("lines", len(sheet.lines))
        return Outcome.ok(sheet.seal())
