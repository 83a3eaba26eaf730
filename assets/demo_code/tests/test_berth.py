"""Tests of the berth package."""

from __future__ import annotations

from brinemoor.berth.dredge import SiltSoundingService
from brinemoor.berth.forms import book_stay, shift_hull
from brinemoor.berth.mooring import LineKind, MooringLine, MooringLineRepo, MooringLineService
from brinemoor.berth.rules import best_slip, storm_ready
from brinemoor.berth.sheets import board
from brinemoor.berth.slip import Slip, SlipRepo, SlipService, SlipState
from brinemoor.berth.stay import StayService
from brinemoor.fleet.hull import Hull, HullKind, HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.quantity import Draft, Tonnage
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_outcome_fail,
    assert_outcome_ok,
    assert_span_noted,
    make_ctx,
    seed_row,
    span_at,
)


def make_slip(ctx: BerthContext, slip_id: str = "Q1-01", depth_cm: int = 300) -> Slip:
    slip = Slip(slip_id, "Q1", length=Draft.of_metres(40), depth=Draft.of_cm(depth_cm))
    seed_row(ctx, SlipRepo, slip)
    hull = Hull("KB-1", "BRM", HullKind.BARGE, Draft.of_cm(240), Tonnage.of_tonnes(80))
    seed_row(ctx, HullRepo, hull)
    return slip


def test_assign_and_vacate() -> None:
    ctx = make_ctx()
    make_slip(ctx)
    service = SlipService(ctx)
    slip = assert_outcome_ok(service.assign("Q1-01", "KB-1"))
    assert slip.state is SlipState.TAKEN
    assert_event_posted(ctx, "berth.slip.assigned", slip_id="Q1-01", hull_no="KB-1")
    assert_outcome_fail(service.assign("Q1-01", "KB-1"), ErrCode.BERTH_TAKEN)
    ctx.clock.advance_minutes(75)
    assert assert_outcome_ok(service.vacate("Q1-01")) == 75
    assert_span_noted(ctx, "harbor.berth.slip.vacate", "minutes", 75)


def test_deep_hull_stays_out_of_a_shallow_slip() -> None:
    ctx = make_ctx()
    make_slip(ctx, depth_cm=200)
    assert_outcome_fail(SlipService(ctx).assign("Q1-01", "KB-1"), ErrCode.DRAFT_TOO_DEEP)
    assert_outcome_fail(best_slip(ctx, "KB-1"), ErrCode.BERTH_TAKEN)


def test_blocked_slip_is_reopened() -> None:
    ctx = make_ctx()
    make_slip(ctx)
    service = SlipService(ctx)
    assert_outcome_ok(service.block("Q1-01", "loose fender"))
    assert_outcome_fail(service.assign("Q1-01", "KB-1"), ErrCode.BERTH_TAKEN)
    assert assert_outcome_ok(service.reopen("Q1-01")).state is SlipState.FREE
    assert_outcome_fail(service.reopen("Q1-01"), ErrCode.WRONG_STATE)


def test_lines_hold_with_head_and_stern() -> None:
    ctx = make_ctx()
    make_slip(ctx)
    assert_outcome_ok(SlipService(ctx).assign("Q1-01", "KB-1"))
    service = MooringLineService(ctx)
    for line_id, kind in [("L-1", LineKind.HEAD), ("L-2", LineKind.STERN)]:
        seed_row(ctx, MooringLineRepo, MooringLine(line_id, kind, Tonnage.of_tonnes(20)))
    assert_outcome_ok(service.make_fast("L-1", "Q1-01"))
    outcome = service.holding_power("Q1-01", Tonnage.of_tonnes(5))
    assert_outcome_fail(outcome, ErrCode.LINE_WORN)
    assert_outcome_ok(service.make_fast("L-2", "Q1-01"))
    assert assert_outcome_ok(storm_ready(ctx, "Q1-01", extra_cm=50)) == Tonnage.of_tonnes(20)
    line = assert_outcome_ok(service.cast_off("L-2", hours=250))
    assert line.rating_left() == Tonnage.of_kg(19_200)


def test_stay_is_booked_checked_in_and_out() -> None:
    ctx = make_ctx()
    make_slip(ctx)
    service = StayService(ctx)
    stay = assert_outcome_ok(service.book("Q1-01", "KB-1", span_at(7, minutes=60)))
    outcome = service.book("Q1-01", "KB-2", span_at(7, minutes=30))
    assert_outcome_fail(outcome, ErrCode.BERTH_TAKEN)
    assert_outcome_fail(service.check_in(stay.stay_id), ErrCode.TIDE_WINDOW)
    ctx.clock.advance_minutes(65)
    assert_outcome_ok(service.check_in(stay.stay_id))
    ctx.clock.advance_minutes(70)
    assert assert_outcome_ok(service.check_out(stay.stay_id)) == 15
    assert_event_posted(ctx, "berth.stay.checked_out", stay_id=stay.stay_id, overstay=15)


def test_dredger_needs_a_blocked_slip() -> None:
    ctx = make_ctx()
    make_slip(ctx)
    service = SiltSoundingService(ctx)
    assert_outcome_ok(service.sound("Q1-01", Draft.of_cm(280)))
    outcome = service.clear_bottom("Q1-01", Draft.of_cm(320))
    assert_outcome_fail(outcome, ErrCode.WRONG_STATE)
    assert_outcome_ok(SlipService(ctx).block("Q1-01", "dredging"))
    assert assert_outcome_ok(service.clear_bottom("Q1-01", Draft.of_cm(320))) == 40


def test_form_lists_every_fault() -> None:
    ctx = make_ctx()
    detail = assert_outcome_fail(book_stay(ctx, {"slip_id": " "}), ErrCode.FORM_FAULT)
    assert "slip_id must be text" in detail
    assert "stay_opens must be a whole number" in detail


def test_hull_is_shifted_between_slips() -> None:
    ctx = make_ctx()
    make_slip(ctx, "Q1-01")
    make_slip(ctx, "Q1-02")
    payload = {"from_slip": "Q1-01", "to_slip": "Q1-02"}
    assert_outcome_fail(shift_hull(ctx, payload), ErrCode.WRONG_STATE)
    assert_outcome_ok(SlipService(ctx).assign("Q1-01", "KB-1"))
    assert assert_outcome_ok(shift_hull(ctx, payload)).slip_id == "Q1-02"
    assert_event_posted(ctx, "berth.slip.vacated", slip_id="Q1-01", hull_no="KB-1")


def test_board_counts_taken_slips() -> None:
    ctx = make_ctx()
    make_slip(ctx)
    sheet = assert_outcome_ok(board(ctx))
    assert sheet.totals["taken"] == "0 of 1"
    assert sheet.lines == [["Q1-01", "Q1", "3.00 m", "free", "-"]]
