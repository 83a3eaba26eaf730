"""Yard forms: what the gate house and the carriers send in."""

from __future__ import annotations

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.form import Payload, QuayForm
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import quay_form
from brinemoor.kernel.trace import trace_span
from brinemoor.yard.gate import GatePass, GatePassService
from brinemoor.yard.haul import HaulOrder, HaulOrderService
from brinemoor.yard.rules import lowest_stack


@quay_form("yard.gate_request")
def gate_request(ctx: BerthContext, payload: Payload) -> Outcome[GatePass]:
    """Ask for a gate pass."""
    require_grant(ctx, "yard.submit")
    with trace_span("harbor.yard.form.gate_request", ctx):
        form = QuayForm(payload, ctx)
        plate = form.take_text("plate")
        manifest_no = form.take_text("manifest_no")
        visit = form.take_span("visit")
        if visit.length_minutes() > ctx.knob("yard.gate.visit_minutes", default=240):
            form.add_fault("visit must not exceed the visit limit")
        if form.has_faults():
            return form.as_failure()
        return GatePassService(ctx).issue_pass(plate.upper(), manifest_no, visit)


@quay_form("yard.haul_request")
def haul_request(ctx: BerthContext, payload: Payload) -> Outcome[HaulOrder]:
    """Order a haul to the lowest stack of a row."""
    require_grant(ctx, "yard.submit")
    with trace_span("harbor.yard.form.haul_request", ctx):
        form = QuayForm(payload, ctx)
        crate_no = form.take_text("crate_no")
        row_code = form.take_text("row_code")
        priority = form.take_count("priority")
        if not 1 <= priority <= 9:
            form.add_fault("priority must lie between 1 and 9")
        if form.has_faults():
            return form.as_failure()
        stack = lowest_stack(ctx, row_code)
        if not stack.is_ok:
            return stack.carry_failure()
        return HaulOrderService(ctx).order_haul(crate_no, stack.unwrap().stack_id, priority)
