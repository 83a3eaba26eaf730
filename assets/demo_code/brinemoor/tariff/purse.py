"""Purses: prepaid dues of a shipper. A purse may go below zero down to its agreed floor."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class Purse(HarborRow):
    """The purse of one shipper."""

    shipper_code: str
    balance: Dues = Dues.none()
    floor: Dues = Dues.none()
    frozen: bool = False

    def spendable(self) -> Dues:
        return self.balance.minus_dues(self.floor)


class PurseRepo(TideRepo[Purse]):
    """Purses by shipper."""

    table = "tariff_purse"
    key_column = "shipper_code"


@harbor_service("tariff.purse")
class PurseService:
    """Pays dues in and out."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = PurseRepo(ctx)

    def open_purse(self, shipper_code: str, floor: Dues) -> Outcome[Purse]:
        """Open a purse with its agreed floor.

        Fails with ALREADY_ON_FILE, PURSE_SHORT.
        """
        require_grant(self.ctx, "tariff.purse.open_purse")
        require_slot(self.ctx, "shipper_code", shipper_code)
        with trace_span("harbor.tariff.purse.open_purse", self.ctx) as span:
            if self.repo.holds_key(shipper_code):
                return Outcome.fail(
                    ErrCode.ALREADY_ON_FILE, f"purse {shipper_code} is already on file"
                )
            if floor.is_over(Dues.none()):
                return Outcome.fail(
                    ErrCode.PURSE_SHORT, f"floor {floor.label()} must not be above zero"
                )
            purse = self.repo.insert_row(Purse(shipper_code=shipper_code, floor=floor))
            self.ctx.ledger.post_event("tariff.purse.opened", shipper_code=shipper_code)
            span.note("shipper_code", shipper_code)
            return Outcome.ok(purse)

    def pay_in(self, shipper_code: str, amount: Dues) -> Outcome[Purse]:
        """Pay dues in; a purse back above zero is thawed.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "tariff.purse.pay_in")
        require_slot(self.ctx, "shipper_code", shipper_code)
        require_positive(self.ctx, "amount", amount.cents)
        with trace_span("harbor.tariff.purse.pay_in", self.ctx) as span:
            purse = self.repo.fetch_one_by("shipper_code", shipper_code)
            if purse is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"purse {shipper_code} is not on file")
            balance = purse.balance.plus_dues(amount)
            purse = self.repo.save_row(
                purse.with_changes(balance=balance, frozen=purse.frozen and balance < Dues.none())
            )
            self.ctx.ledger.post_event(
                "tariff.purse.paid_in", shipper_code=shipper_code, cents=amount.cents
            )
            span.note("shipper_code", shipper_code)
            span.note("cents", amount.cents)
            return Outcome.ok(purse)

    def pay_out(self, shipper_code: str, amount: Dues) -> Outcome[Purse]:
        """Take dues out, down to the floor.

        Fails with NOT_ON_FILE, ROW_LOCKED, PURSE_SHORT.
        """
        require_grant(self.ctx, "tariff.purse.pay_out")
        require_slot(self.ctx, "shipper_code", shipper_code)
        require_positive(self.ctx, "amount", amount.cents)
        with trace_span("harbor.tariff.purse.pay_out", self.ctx) as span:
            purse = self.repo.fetch_one_by("shipper_code", shipper_code)
            if purse is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"purse {shipper_code} is not on file")
            if purse.frozen:
                return Outcome.fail(ErrCode.ROW_LOCKED, f"purse {shipper_code} is frozen")
            if amount.is_over(purse.spendable()):
                return Outcome.fail(
                    ErrCode.PURSE_SHORT,
                    f"purse {shipper_code} may spend {purse.spendable().label()}",
                )
            purse = self.repo.save_row(purse.with_changes(balance=purse.balance.minus_dues(amount)))
            self.ctx.ledger.post_event(
                "tariff.purse.paid_out", shipper_code=shipper_code, cents=amount.cents
            )
            span.note("shipper_code", shipper_code)
            span.note("cents", amount.cents)
            return Outcome.ok(purse)
