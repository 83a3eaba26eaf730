"""Tests of the tariff package."""

from __future__ import annotations

from brinemoor.berth.stay import Stay, StayRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_outcome_fail,
    assert_outcome_ok,
    make_ctx,
    seed_row,
    span_at,
)
from brinemoor.tariff.bill import Bill, BillService, BillState
from brinemoor.tariff.credit import CreditNoteService
from brinemoor.tariff.demurrage import DemurrageClaimService
from brinemoor.tariff.jobs import freeze_empty_purses, settle_from_purses
from brinemoor.tariff.purse import PurseService
from brinemoor.tariff.rate import Rate, RateService


def publish_rate(ctx: BerthContext, service_code: str = "LIFT", cents: int = 1_500) -> Rate:
    return assert_outcome_ok(RateService(ctx).publish(service_code, Dues.of_cents(cents), 100))


def make_sealed_bill(ctx: BerthContext, units: int = 4) -> Bill:
    publish_rate(ctx)
    service = BillService(ctx)
    bill = assert_outcome_ok(service.add_line("SHP-1", "LIFT", units))
    assert_outcome_ok(service.seal_bill(bill.bill_no))
    return bill


def test_quote_uses_the_newest_rate_in_force() -> None:
    ctx = make_ctx()
    rate = publish_rate(ctx)
    service = RateService(ctx)
    assert_outcome_ok(service.publish("LIFT", Dues.of_cents(1_800), 101))
    assert assert_outcome_ok(service.quote("LIFT", 2)) == Dues.of_whole(30)
    assert_outcome_ok(service.set_minimum(rate.rate_id, Dues.of_whole(50)))
    assert assert_outcome_ok(service.quote("LIFT", 2)) == Dues.of_whole(50)
    ctx.clock.advance_minutes(24 * 60)
    assert assert_outcome_ok(service.quote("LIFT", 2)) == Dues.of_whole(36)
    assert_outcome_fail(service.quote("SCRUB", 1), ErrCode.RATE_UNKNOWN)


def test_bill_is_sealed_and_paid() -> None:
    ctx = make_ctx()
    bill = make_sealed_bill(ctx)
    service = BillService(ctx)
    assert_outcome_fail(service.seal_bill(bill.bill_no), ErrCode.BILL_SEALED)
    outcome = service.mark_paid(bill.bill_no, Dues.of_whole(59))
    assert_outcome_fail(outcome, ErrCode.PURSE_SHORT)
    paid = assert_outcome_ok(service.mark_paid(bill.bill_no, Dues.of_whole(60)))
    assert paid.state is BillState.PAID
    assert_event_posted(ctx, "tariff.bill.paid", bill_no=bill.bill_no, cents=6_000)


def test_demurrage_grows_with_every_block() -> None:
    ctx = make_ctx()
    seed_row(ctx, StayRepo, Stay("STY-1", "Q1-01", "KB-1", span_at(6, minutes=60)))
    service = DemurrageClaimService(ctx)
    assert assert_outcome_ok(service.amount_for(120)) == Dues.none()
    claim = assert_outcome_ok(service.raise_claim("STY-1", overstay=170))
    assert claim.amount == Dues.of_whole(84)
    assert_outcome_fail(service.raise_claim("STY-1", overstay=1), ErrCode.ALREADY_ON_FILE)
    assert assert_outcome_ok(service.waive(claim.claim_no, "gauge was silent")).waived


def test_credit_stays_within_the_bill() -> None:
    ctx = make_ctx()
    bill = make_sealed_bill(ctx)
    service = CreditNoteService(ctx)
    assert_outcome_ok(PurseService(ctx).open_purse("SHP-1", Dues.none()))
    note = assert_outcome_ok(service.write_note(bill.bill_no, Dues.of_whole(40), "late crane"))
    outcome = service.write_note(bill.bill_no, Dues.of_whole(21), "late crane")
    assert_outcome_fail(outcome, ErrCode.CREDIT_TOO_LARGE)
    assert_outcome_fail(service.approve(note.note_no, "test-hand"), ErrCode.STAMP_REFUSED)
    assert_outcome_ok(service.approve(note.note_no, "chief-clerk"))
    assert_event_posted(ctx, "tariff.purse.paid_in", shipper_code="SHP-1", cents=4_000)


def test_purse_spends_down_to_its_floor() -> None:
    ctx = make_ctx()
    service = PurseService(ctx)
    assert_outcome_ok(service.open_purse("SHP-1", Dues.of_whole(-20)))
    assert_outcome_ok(service.pay_in("SHP-1", Dues.of_whole(10)))
    assert_outcome_ok(service.pay_out("SHP-1", Dues.of_whole(30)))
    assert_outcome_fail(service.pay_out("SHP-1", Dues.of_cents(1)), ErrCode.PURSE_SHORT)


def test_jobs_settle_and_freeze() -> None:
    ctx = make_ctx(tariff__bill__due_days=1)
    make_sealed_bill(ctx)
    service = PurseService(ctx)
    assert_outcome_ok(service.open_purse("SHP-1", Dues.of_whole(-10)))
    assert_outcome_ok(service.pay_out("SHP-1", Dues.of_whole(5)))
    assert assert_outcome_ok(settle_from_purses(ctx)) == 0
    ctx.clock.advance_minutes(2 * 24 * 60)
    assert assert_outcome_ok(freeze_empty_purses(ctx)) == 1
    assert_outcome_ok(service.pay_in("SHP-1", Dues.of_whole(100)))
    assert assert_outcome_ok(settle_from_purses(ctx)) == 1
