"""Tests of the yard package."""

from __future__ import annotations

from brinemoor.cargo.manifest import Manifest, ManifestRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.quantity import Draft, Tonnage
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_outcome_fail,
    assert_outcome_ok,
    make_ctx,
    seed_row,
    span_at,
)
from brinemoor.yard.crane import Crane, CraneRepo, CraneService
from brinemoor.yard.forms import haul_request
from brinemoor.yard.gate import GatePassService
from brinemoor.yard.haul import HaulOrderService
from brinemoor.yard.rules import crane_for, digs_needed, lowest_stack
from brinemoor.yard.sheets import trucks_inside
from brinemoor.yard.stack import CrateStack, CrateStackRepo, CrateStackService


def make_stack(ctx: BerthContext, stack_id: str, crates: tuple[str, ...] = ()) -> CrateStack:
    stack = CrateStack(stack_id, row_code="R1", height_limit=3, crates=crates)
    return seed_row(ctx, CrateStackRepo, stack)


def test_crates_are_piled_up_to_the_limit() -> None:
    ctx = make_ctx()
    make_stack(ctx, "S-1", crates=("CR-1", "CR-2"))
    service = CrateStackService(ctx)
    assert_outcome_ok(service.pile("S-1", "CR-3"))
    assert_outcome_fail(service.pile("S-1", "CR-4"), ErrCode.STACK_FULL)
    assert assert_outcome_ok(digs_needed(ctx, "CR-1")) == 2
    assert assert_outcome_ok(service.take_top("S-1")) == "CR-3"
    assert_event_posted(ctx, "yard.stack.taken", stack_id="S-1", crate_no="CR-3")


def test_frozen_stack_is_left_alone() -> None:
    ctx = make_ctx()
    make_stack(ctx, "S-1", crates=("CR-1",))
    service = CrateStackService(ctx)
    assert_outcome_ok(service.freeze("S-1", "PRM-7"))
    assert_outcome_fail(service.take_top("S-1"), ErrCode.ROW_LOCKED)
    assert_outcome_fail(lowest_stack(ctx, "R1"), ErrCode.STACK_FULL)


def test_crane_rating_falls_with_the_reach() -> None:
    ctx = make_ctx()
    seed_row(ctx, CraneRepo, Crane("CN-1", Tonnage.of_tonnes(20), Draft.of_metres(30)))
    service = CraneService(ctx)
    load = Tonnage.of_tonnes(12)
    assert_outcome_ok(service.book_lift("CN-1", load, Draft.of_metres(10)))
    outcome = service.book_lift("CN-1", load, Draft.of_metres(20))
    assert_outcome_fail(outcome, ErrCode.LIFT_OVERLOAD)
    assert_outcome_fail(crane_for(ctx, load, Draft.of_metres(31)), ErrCode.LIFT_OVERLOAD)


def test_gusts_stop_all_cranes() -> None:
    ctx = make_ctx(yard__crane__gust_limit=15)
    seed_row(ctx, CraneRepo, Crane("CN-1", Tonnage.of_tonnes(20), Draft.of_metres(30)))
    service = CraneService(ctx)
    assert assert_outcome_ok(service.wind_check(14)) == []
    assert len(assert_outcome_ok(service.wind_check(16))) == 1
    assert_event_posted(ctx, "yard.crane.stopped", crane_id="CN-1", gust=16)
    assert_outcome_ok(service.release("CN-1", inspector="hand-4"))


def test_gate_counts_the_trucks_inside() -> None:
    ctx = make_ctx(yard__gate__truck_limit=1)
    seed_row(ctx, ManifestRepo, Manifest("MAN-1", "BUY-9", Tonnage.of_tonnes(9)))
    service = GatePassService(ctx)
    first = assert_outcome_ok(service.issue_pass("AB 1", "MAN-1", span_at(6, minutes=60)))
    second = assert_outcome_ok(service.issue_pass("AB 2", "MAN-1", span_at(6, minutes=60)))
    assert_outcome_ok(service.drive_in(first.pass_no))
    assert_outcome_fail(service.drive_in(second.pass_no), ErrCode.GATE_CLOSED)
    ctx.clock.advance_minutes(25)
    assert assert_outcome_ok(trucks_inside(ctx)).lines[0][-1] == "25"
    assert assert_outcome_ok(service.drive_out(first.pass_no)) == 25


def test_haul_moves_the_crate() -> None:
    ctx = make_ctx()
    make_stack(ctx, "S-1", crates=("CR-1", "CR-2"))
    make_stack(ctx, "S-2")
    payload = {"crate_no": "CR-2", "row_code": "R1", "priority": 2}
    order = assert_outcome_ok(haul_request(ctx, payload))
    assert order.to_stack == "S-2"
    service = HaulOrderService(ctx)
    assert assert_outcome_ok(service.take_next("SC-1")) == order.with_changes(carrier_id="SC-1")
    assert_outcome_fail(service.take_next("SC-1"), ErrCode.ROSTER_CLASH)
    assert_outcome_ok(service.finish(order.order_no))
    stack = CrateStackRepo(ctx).fetch_with_crate("CR-2")
    assert stack is not None and stack.stack_id == "S-2"


def test_form_refuses_a_strange_priority() -> None:
    ctx = make_ctx()
    payload = {"crate_no": "CR-2", "row_code": "R1", "priority": 12}
    detail = assert_outcome_fail(haul_request(ctx, payload), ErrCode.FORM_FAULT)
    assert detail == "priority must lie between 1 and 9"
