"""Stays: bookings of a slip for a span of time, made ahead and checked in on arrival."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.berth.slip import SlipService
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_open_span, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideSpan
from brinemoor.kernel.trace import trace_span


class StayState(Enum):
    """The life of a booking."""

    BOOKED = "booked"
    ALONGSIDE = "alongside"
    LEFT = "left"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Stay(HarborRow):
    """A booking of one slip for one hull."""

    stay_id: str
    slip_id: str
    hull_no: str
    span: TideSpan
    state: StayState = StayState.BOOKED

    def blocks(self, span: TideSpan) -> bool:
        live = self.state in (StayState.BOOKED, StayState.ALONGSIDE)
        return live and self.span.overlaps(span)


class StayRepo(TideRepo[Stay]):
    """Stays by number."""

    table = "berth_stay"
    key_column = "stay_id"

    def fetch_blocking(self, slip_id: str, span: TideSpan) -> list[Stay]:
        return [stay for stay in self.fetch_all_by(slip_id=slip_id) if stay.blocks(span)]


@harbor_service("berth.stay")
class StayService:
    """Books stays and checks hulls in and out."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = StayRepo(ctx)
        self.slips = SlipService(ctx)

    def book(self, slip_id: str, hull_no: str, stretch: TideSpan) -> Outcome[Stay]:
        """Book a slip when no other stay blocks the stretch.

        Fails with NOT_ON_FILE, BERTH_TAKEN.
        """
        require_grant(self.ctx, "berth.stay.book")
        require_slot(self.ctx, "slip_id", slip_id)
        require_slot(self.ctx, "hull_no", hull_no)
        require_open_span(self.ctx, "stretch", stretch)
        with trace_span("harbor.berth.stay.book", self.ctx) as span:
            slip = self.slips.repo.fetch_one_by("slip_id", slip_id)
            if slip is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
            blocking = self.repo.fetch_blocking(slip.slip_id, stretch)
            if blocking:
                return Outcome.fail(
                    ErrCode.BERTH_TAKEN, f"slip {slip_id} is booked as {blocking[0].stay_id}"
                )
            stay_id = self.ctx.next_serial("STY")
            stay = self.repo.insert_row(
                Stay(stay_id=stay_id, slip_id=slip_id, hull_no=hull_no, span=stretch)
            )
            self.ctx.ledger.post_event(
                "berth.stay.booked", stay_id=stay_id, slip_id=slip_id, hull_no=hull_no
            )
            span.note("stay_id", stay_id)
            span.note("slip_id", slip_id)
            return Outcome.ok(stay)

    def check_in(self, stay_id: str) -> Outcome[Stay]:
        """Bring the hull alongside when its tide has come.

        Fails with NOT_ON_FILE, WRONG_STATE, TIDE_WINDOW.
        """
        require_grant(self.ctx, "berth.stay.check_in")
        require_slot(self.ctx, "stay_id", stay_id)
        with trace_span("harbor.berth.stay.check_in", self.ctx) as span:
            stay = self.repo.fetch_one_by("stay_id", stay_id)
            if stay is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"stay {stay_id} is not on file")
            if stay.state is not StayState.BOOKED:
                return Outcome.fail(ErrCode.WRONG_STATE, f"stay {stay_id} is {stay.state.value}")
            if not stay.span.covers(self.ctx.clock.now_stamp()):
                return Outcome.fail(ErrCode.TIDE_WINDOW, f"stay {stay_id} runs {stay.span.label()}")
            assigned = self.slips.assign(stay.slip_id, stay.hull_no)
            if not assigned.is_ok:
                return assigned.carry_failure()
            stay = self.repo.save_row(stay.with_changes(state=StayState.ALONGSIDE))
            self.ctx.ledger.post_event(
                "berth.stay.checked_in", stay_id=stay_id, hull_no=stay.hull_no
            )
            span.note("stay_id", stay_id)
            return Outcome.ok(stay)

    def check_out(self, stay_id: str) -> Outcome[int]:
        """Let the hull go and give back the minutes of overstay.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "berth.stay.check_out")
        require_slot(self.ctx, "stay_id", stay_id)
        with trace_span("harbor.berth.stay.check_out", self.ctx) as span:
            stay = self.repo.fetch_one_by("stay_id", stay_id)
            if stay is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"stay {stay_id} is not on file")
            if stay.state is not StayState.ALONGSIDE:
                return Outcome.fail(ErrCode.WRONG_STATE, f"stay {stay_id} is {stay.state.value}")
            vacated = self.slips.vacate(stay.slip_id)
            if not vacated.is_ok:
                return vacated.carry_failure()
            stay = self.repo.save_row(stay.with_changes(state=StayState.LEFT))
            overstay = max(0, stay.span.closes.minutes_until(self.ctx.clock.now_stamp()))
            self.ctx.ledger.post_event("berth.stay.checked_out", stay_id=stay_id, overstay=overstay)
            span.note("stay_id", stay_id)
            span.note("overstay", overstay)
            return Outcome.ok(overstay)
