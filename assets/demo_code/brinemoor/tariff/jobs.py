"""Tariff jobs: overdue bills and purses below zero."""

from __future__ import annotations

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues
from brinemoor.kernel.guards import require_grant
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import tide_job
from brinemoor.kernel.trace import trace_span
from brinemoor.tariff.bill import BillRepo, BillService, BillState
from brinemoor.tariff.purse import PurseRepo, PurseService


@tide_job("tariff.settle_from_purses", every_minutes=720)
def settle_from_purses(ctx: BerthContext) -> Outcome[int]:
    """Pay sealed bills out of the purses that can bear them."""
    require_grant(ctx, "tariff.jobs")
    with trace_span("harbor.tariff.job.settle_from_purses", ctx) as span:
        bills = BillService(ctx)
        purses = PurseService(ctx)
        settled = 0
        for bill in bills.repo.fetch_all_by(state=BillState.SEALED):
            paid = purses.pay_out(bill.shipper_code, bill.total())
            # Quay note: a shipper without a purse pays by transfer, which is no fault.
            if not paid.is_ok:
                continue
            marked = bills.mark_paid(bill.bill_no, bill.total())
            if not marked.is_ok:
                return marked.carry_failure()
            settled += 1
        span.note("bills", settled)
        return Outcome.ok(settled)


@tide_job("tariff.freeze_empty_purses", every_minutes=1440)
def freeze_empty_purses(ctx: BerthContext) -> Outcome[int]:
    """Freeze purses that are below zero while a bill is overdue."""
    require_grant(ctx, "tariff.jobs")
    with trace_span("harbor.tariff.job.freeze_empty_purses", ctx) as span:
        now = ctx.clock.now_stamp()
        purses = PurseRepo(ctx)
        frozen = 0
        for bill in BillRepo(ctx).fetch_all_by(state=BillState.SEALED):
            purse = purses.fetch_one_by("shipper_code", bill.shipper_code)
            overdue = bill.due_at is not None and bill.due_at < now
            if purse is None or not overdue or purse.frozen or purse.balance >= Dues.none():
                continue
            purses.save_row(purse.with_changes(frozen=True))
            ctx.ledger.post_event(
                "tariff.purse.frozen", shipper_code=purse.shipper_code, bill_no=bill.bill_no
            )
            frozen += 1
        span.note("purses", frozen)
        return Outcome.ok(frozen)
