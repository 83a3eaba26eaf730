"""Berth forms: what the terminals at the lock and in the quay office send in."""

from __future__ import annotations

from brinemoor.berth.dredge import SiltSounding, SiltSoundingService
from brinemoor.berth.slip import Slip, SlipService, SlipState
from brinemoor.berth.stay import Stay, StayService
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.form import Payload, QuayForm
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.registry import quay_form
from brinemoor.kernel.tidetime import MINUTES_PER_DAY
from brinemoor.kernel.trace import trace_span


@quay_form("berth.book_stay")
def book_stay(ctx: BerthContext, payload: Payload) -> Outcome[Stay]:
    """Book a stay from the terminal of a shipper."""
    require_grant(ctx, "berth.submit")
    with trace_span("harbor.berth.form.book_stay", ctx):
        form = QuayForm(payload, ctx)
        slip_id = form.take_text("slip_id")
        hull_no = form.take_text("hull_no")
        stay = form.take_span("stay")
        longest = ctx.knob("berth.stay.longest_minutes", default=4 * MINUTES_PER_DAY)
        if stay.length_minutes() > longest:
            form.add_fault(f"stay must not exceed {longest} minutes")
        if form.has_faults():
            return form.as_failure()
        return StayService(ctx).book(slip_id, hull_no, stay)


@quay_form("berth.report_sounding")
def report_sounding(ctx: BerthContext, payload: Payload) -> Outcome[SiltSounding]:
    """Take the sounding of a survey boat."""
    require_grant(ctx, "berth.submit")
    with trace_span("harbor.berth.form.report_sounding", ctx):
        form = QuayForm(payload, ctx)
        slip_id = form.take_text("slip_id")
        depth = form.take_draft("depth")
        tide_level = form.take_draft("tide_level")
        if form.has_faults():
            return form.as_failure()
        # Quay note: boats report from the surface, so the tide is taken off before it is filed.
        bottom = Draft.of_cm(depth.cm - tide_level.cm)
        return SiltSoundingService(ctx).sound(slip_id, bottom)


@quay_form("berth.shift_hull")
def shift_hull(ctx: BerthContext, payload: Payload) -> Outcome[Slip]:
    """Move a hull from one slip to another in one go.

    Fails with NOT_ON_FILE, WRONG_STATE.
    """
    require_grant(ctx, "berth.submit")
    with trace_span("harbor.berth.form.shift_hull", ctx):
        form = QuayForm(payload, ctx)
        from_slip = form.take_text("from_slip")
        to_slip = form.take_text("to_slip")
        if from_slip == to_slip:
            form.add_fault("to_slip must differ from from_slip")
        if form.has_faults():
            return form.as_failure()
        slips = SlipService(ctx)
        slip = slips.repo.fetch_one_by("slip_id", from_slip)
        if slip is None:
            return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {from_slip} is not on file")
        if slip.state is not SlipState.TAKEN:
            return Outcome.fail(ErrCode.WRONG_STATE, f"slip {from_slip} holds no hull")
        moved = slips.assign(to_slip, slip.hull_no)
        if not moved.is_ok:
            return moved.carry_failure()
        vacated = slips.vacate(from_slip)
        if not vacated.is_ok:
            return vacated.carry_failure()
        return moved
