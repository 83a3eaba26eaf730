"""Bills: lines of dues for one shipper. A sealed bill is never touched again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues, total_dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span
from brinemoor.tariff.rate import RateService


class BillState(Enum):
    """A bill is open, then sealed, then paid."""

    OPEN = "open"
    SEALED = "sealed"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a bill."""

    service_code: str
    units: int
    amount: Dues


@dataclass(frozen=True, slots=True)
class Bill(HarborRow):
    """A bill with its lines."""

    bill_no: str
    shipper_code: str
    lines: tuple[BillLine, ...] = ()
    state: BillState = BillState.OPEN
    due_at: TideStamp | None = None

    def total(self) -> Dues:
        return total_dues(line.amount for line in self.lines)


class BillRepo(TideRepo[Bill]):
    """Bills by number."""

    table = "tariff_bill"
    key_column = "bill_no"

    def fetch_open_for(self, shipper_code: str) -> Bill | None:
        bills = self.fetch_all_by(shipper_code=shipper_code, state=BillState.OPEN)
        return bills[0] if bills else None


@harbor_service("tariff.bill")
class BillService:
    """Writes bills."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = BillRepo(ctx)
        self.rates = RateService(ctx)

    def add_line(self, shipper_code: str, service_code: str, units: int) -> Outcome[Bill]:
        """Put a line on the open bill of a shipper; begin one if there is none."""
        require_grant(self.ctx, "tariff.bill.add_line")
        require_slot(self.ctx, "shipper_code", shipper_code)
        require_slot(self.ctx, "service_code", service_code)
        require_positive(self.ctx, "units", units)
        with trace_span("harbor.tariff.bill.add_line", self.ctx) as span:
            quoted = self.rates.quote(service_code, units)
            if not quoted.is_ok:
                return quoted.carry_failure()
            bill = self.repo.fetch_open_for(shipper_code)
            if bill is None:
                bill_no = self.ctx.next_serial("BIL")
                bill = self.repo.insert_row(Bill(bill_no=bill_no, shipper_code=shipper_code))
            line = BillLine(service_code, units, quoted.unwrap())
            bill = self.repo.save_row(bill.with_changes(lines=(*bill.lines, line)))
            self.ctx.ledger.post_event(
                "tariff.bill.line_added", bill_no=bill.bill_no, cents=line.amount.cents
            )
            span.note("bill_no", bill.bill_no)
            span.note("service_code", service_code)
            return Outcome.ok(bill)

    def seal_bill(self, bill_no: str) -> Outcome[Dues]:
        """Seal a bill and set its due date; gives the total.

        Fails with NOT_ON_FILE, BILL_SEALED, PAPER_MISSING.
        """
        require_grant(self.ctx, "tariff.bill.seal_bill")
        require_slot(self.ctx, "bill_no", bill_no)
        with trace_span("harbor.tariff.bill.seal_bill", self.ctx) as span:
            bill = self.repo.fetch_one_by("bill_no", bill_no)
            if bill is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"bill {bill_no} is not on file")
            if bill.state is not BillState.OPEN:
                return Outcome.fail(ErrCode.BILL_SEALED, f"bill {bill_no} is {bill.state.value}")
            if not bill.lines:
                return Outcome.fail(ErrCode.PAPER_MISSING, f"bill {bill_no} has no lines")
            due_days = self.ctx.knob("tariff.bill.due_days", default=21)
            bill = self.repo.save_row(
                bill.with_changes(
                    state=BillState.SEALED, due_at=self.ctx.clock.now_stamp().plus_days(due_days)
                )
            )
            self.ctx.ledger.post_event(
                "tariff.bill.sealed", bill_no=bill_no, cents=bill.total().cents
            )
            span.note("bill_no", bill_no)
            span.note("due_days", due_days)
            return Outcome.ok(bill.total())

    def mark_paid(self, bill_no: str, paid: Dues) -> Outcome[Bill]:
        """Mark a sealed bill as paid in full.

        Fails with NOT_ON_FILE, WRONG_STATE, PURSE_SHORT.
        """
        require_grant(self.ctx, "tariff.bill.mark_paid")
        require_slot(self.ctx, "bill_no", bill_no)
        require_positive(self.ctx, "paid", paid.cents)
        with trace_span("harbor.tariff.bill.mark_paid", self.ctx) as span:
            bill = self.repo.fetch_one_by("bill_no", bill_no)
            if bill is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"bill {bill_no} is not on file")
            if bill.state is not BillState.SEALED:
                return Outcome.fail(ErrCode.WRONG_STATE, f"bill {bill_no} is {bill.state.value}")
            missing = bill.total().minus_dues(paid)
            if missing.is_over(Dues.none()):
                return Outcome.fail(ErrCode.PURSE_SHORT, f"bill {bill_no} lacks {missing.label()}")
            bill = self.repo.save_row(bill.with_changes(state=BillState.PAID))
            self.ctx.ledger.post_event("tariff.bill.paid", bill_no=bill_no, cents=paid.cents)
            span.note("bill_no", bill_no)
            span.note("cents", paid.cents)
            return Outcome.ok(bill)
