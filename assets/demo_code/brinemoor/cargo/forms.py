"""Cargo forms: landing notes from the skippers and results from the bench."""

from __future__ import annotations

from brinemoor.cargo.lot import KelpLot, KelpLotService
from brinemoor.cargo.sample import LotSample, LotSampleService, SampleKind
from brinemoor.cargo.weighing import WeighingService
from brinemoor.fleet.rules import hull_can_load
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.form import Payload, QuayForm
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import quay_form
from brinemoor.kernel.trace import trace_span


@quay_form("cargo.landing_note")
def landing_note(ctx: BerthContext, payload: Payload) -> Outcome[KelpLot]:
    """Land a lot from the note that a skipper hands in."""
    require_grant(ctx, "cargo.submit")
    with trace_span("harbor.cargo.form.landing_note", ctx):
        form = QuayForm(payload, ctx)
        hull_no = form.take_text("hull_no")
        line_code = form.take_text("line_code")
        weight = form.take_tonnage("weight")
        if weight.kg <= 0:
            form.add_fault("weight must be above zero")
        if form.has_faults():
            return form.as_failure()
        room = hull_can_load(ctx, hull_no, weight)
        if not room.is_ok:
            return room.carry_failure()
        return KelpLotService(ctx).land(hull_no, line_code, weight)


@quay_form("cargo.bench_result")
def bench_result(ctx: BerthContext, payload: Payload) -> Outcome[LotSample]:
    """File a bench result; the kind is named in words."""
    require_grant(ctx, "cargo.submit")
    with trace_span("harbor.cargo.form.bench_result", ctx):
        form = QuayForm(payload, ctx)
        lot_no = form.take_text("lot_no")
        kind_name = form.take_text("kind_name")
        result = form.take_count("result")
        bench_hand = form.take_text("bench_hand")
        known = {kind.value: kind for kind in SampleKind}
        if kind_name not in known:
            form.add_fault(f"kind_name must be one of {', '.join(known)}")
        if form.has_faults():
            return form.as_failure()
        return LotSampleService(ctx).file_result(lot_no, known[kind_name], result, bench_hand)


@quay_form("cargo.scale_ticket")
def scale_ticket(ctx: BerthContext, payload: Payload) -> Outcome[KelpLot]:
    """Take a ticket of the bridge scale and settle the weight with it."""
    require_grant(ctx, "cargo.submit")
    with trace_span("harbor.cargo.form.scale_ticket", ctx):
        form = QuayForm(payload, ctx)
        lot_no = form.take_text("lot_no")
        gross = form.take_tonnage("gross")
        tare = form.take_tonnage("tare")
        if form.has_faults():
            return form.as_failure()
        scale = WeighingService(ctx)
        weighed = scale.weigh(lot_no, gross, tare)
        if not weighed.is_ok:
            return weighed.carry_failure()
        return scale.settle_weight(lot_no)
