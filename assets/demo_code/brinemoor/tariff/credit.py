"""Credit notes: money back on sealed bills, within what the bill still carries."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues, total_dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span
from brinemoor.tariff.bill import BillRepo, BillState
from brinemoor.tariff.purse import PurseService


@dataclass(frozen=True, slots=True)
class CreditNote(HarborRow):
    """A credit on one bill."""

    note_no: str
    bill_no: str
    amount: Dues
    reason: str
    approved_by: str = ""

    def is_approved(self) -> bool:
        return self.approved_by != ""


class CreditNoteRepo(TideRepo[CreditNote]):
    """Credit notes by number."""

    table = "tariff_credit_note"
    key_column = "note_no"

    def fetch_total_on(self, bill_no: str) -> Dues:
        """What has been credited on a bill so far, approved or not."""
        return total_dues(note.amount for note in self.fetch_all_by(bill_no=bill_no))


@harbor_service("tariff.credit")
class CreditNoteService:
    """Writes and approves credit notes."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = CreditNoteRepo(ctx)
        self.bills = BillRepo(ctx)
        self.purses = PurseService(ctx)

    def write_note(self, bill_no: str, amount: Dues, reason: str) -> Outcome[CreditNote]:
        """Write a note; all notes together stay below the total of the bill.

        Fails with NOT_ON_FILE, WRONG_STATE, CREDIT_TOO_LARGE.
        """
        require_grant(self.ctx, "tariff.credit.write_note")
        require_slot(self.ctx, "bill_no", bill_no)
        require_positive(self.ctx, "amount", amount.cents)
        require_slot(self.ctx, "reason", reason)
        with trace_span("harbor.tariff.credit.write_note", self.ctx) as span:
            bill = self.bills.fetch_one_by("bill_no", bill_no)
            if bill is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"bill {bill_no} is not on file")
            if bill.state is BillState.OPEN:
                return Outcome.fail(ErrCode.WRONG_STATE, f"bill {bill_no} is still open")
            credited = self.repo.fetch_total_on(bill_no).plus_dues(amount)
            if credited.is_over(bill.total()):
                return Outcome.fail(
                    ErrCode.CREDIT_TOO_LARGE, f"bill {bill_no} carries {bill.total().label()}"
                )
            note_no = self.ctx.next_serial("CRN")
            note = self.repo.insert_row(
                CreditNote(note_no=note_no, bill_no=bill_no, amount=amount, reason=reason)
            )
            self.ctx.ledger.post_event("tariff.credit.written", note_no=note_no, bill_no=bill_no)
            span.note("note_no", note_no)
            span.note("bill_no", bill_no)
            return Outcome.ok(note)

    def approve(self, note_no: str, approver: str) -> Outcome[CreditNote]:
        """Approve a note and pay it into the purse of the shipper.

        Fails with NOT_ON_FILE, WRONG_STATE, STAMP_REFUSED.
        """
        require_grant(self.ctx, "tariff.credit.approve")
        require_slot(self.ctx, "note_no", note_no)
        require_slot(self.ctx, "approver", approver)
        with trace_span("harbor.tariff.credit.approve", self.ctx) as span:
            note = self.repo.fetch_one_by("note_no", note_no)
            if note is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"note {note_no} is not on file")
            if note.is_approved():
                return Outcome.fail(
                    ErrCode.WRONG_STATE, f"note {note_no} is approved by {note.approved_by}"
                )
            if approver == self.ctx.actor:
                return Outcome.fail(
                    ErrCode.STAMP_REFUSED, f"note {note_no} needs a second pair of eyes"
                )
            bill = self.bills.fetch_one_by("bill_no", note.bill_no)
            if bill is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"bill {note.bill_no} is not on file")
            paid = self.purses.pay_in(bill.shipper_code, note.amount)
            if not paid.is_ok:
                return paid.carry_failure()
            note = self.repo.save_row(note.with_changes(approved_by=approver))
            self.ctx.ledger.post_event("tariff.credit.approved", note_no=note_no, approver=approver)
            span.note("note_no", note_no)
            span.note("approver", approver)
            return Outcome.ok(note)
