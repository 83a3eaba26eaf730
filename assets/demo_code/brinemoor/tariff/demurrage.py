"""Demurrage: what an overstay costs. The first hours are free, then every started block counts."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.berth.stay import StayRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues, total_dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class DemurrageClaim(HarborRow):
    """A claim for one stay."""

    claim_no: str
    stay_id: str
    overstay: int
    amount: Dues
    waived: bool = False


class DemurrageClaimRepo(TideRepo[DemurrageClaim]):
    """Claims by number."""

    table = "tariff_demurrage_claim"
    key_column = "claim_no"


@harbor_service("tariff.demurrage")
class DemurrageClaimService:
    """Raises claims and waives them."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = DemurrageClaimRepo(ctx)
        self.stays = StayRepo(ctx)

    def raise_claim(self, stay_id: str, overstay: int) -> Outcome[DemurrageClaim]:
        """Raise a claim for the minutes of an overstay.

        Fails with NOT_ON_FILE, ALREADY_ON_FILE.
        """
        require_grant(self.ctx, "tariff.demurrage.raise_claim")
        require_slot(self.ctx, "stay_id", stay_id)
        require_positive(self.ctx, "overstay", overstay)
        with trace_span("harbor.tariff.demurrage.raise_claim", self.ctx) as span:
            stay = self.stays.fetch_one_by("stay_id", stay_id)
            if stay is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"stay {stay_id} is not on file")
            earlier = self.repo.fetch_one_by("stay_id", stay_id)
            if earlier is not None:
                return Outcome.fail(
                    ErrCode.ALREADY_ON_FILE, f"stay {stay_id} has {earlier.claim_no}"
                )
            amount = self.amount_for(overstay)
            if not amount.is_ok:
                return amount.carry_failure()
            claim_no = self.ctx.next_serial("DEM")
            claim = self.repo.insert_row(
                DemurrageClaim(
                    claim_no=claim_no,
                    stay_id=stay.stay_id,
                    overstay=overstay,
                    amount=amount.unwrap(),
                )
            )
            self.ctx.ledger.post_event(
                "tariff.demurrage.raised", claim_no=claim_no, stay_id=stay_id
            )
            span.note("claim_no", claim_no)
            span.note("stay_id", stay_id)
            return Outcome.ok(claim)

    def amount_for(self, overstay: int) -> Outcome[Dues]:
        """The dues for an overstay: blocks of half an hour, dearer by a tenth each."""
        require_grant(self.ctx, "tariff.demurrage.amount_for")
        require_positive(self.ctx, "overstay", overstay)
        with trace_span("harbor.tariff.demurrage.amount_for", self.ctx) as span:
            free_minutes = self.ctx.knob("tariff.demurrage.free_minutes", default=120)
            blocks = -(-max(0, overstay - free_minutes) // 30)
            block_price = Dues.of_cents(
                self.ctx.knob("tariff.demurrage.block_cents", default=4_000)
            )
            # Tide rule: a hull that blocks a slip over a second tide pays the double at most.
            amounts = [
                block_price.scaled_bp(10_000 + 1_000 * min(block, 10)) for block in range(blocks)
            ]
            amount = total_dues(amounts)
            span.note("overstay", overstay)
            span.note("cents", amount.cents)
            return Outcome.ok(amount)

    def waive(self, claim_no: str, reason: str) -> Outcome[DemurrageClaim]:
        """Waive a claim, for example when the tide was to blame.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "tariff.demurrage.waive")
        require_slot(self.ctx, "claim_no", claim_no)
        require_slot(self.ctx, "reason", reason)
        with trace_span("harbor.tariff.demurrage.waive", self.ctx) as span:
            claim = self.repo.fetch_one_by("claim_no", claim_no)
            if claim is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"claim {claim_no} is not on file")
            if claim.waived:
                return Outcome.fail(ErrCode.WRONG_STATE, f"claim {claim_no} is waived already")
            claim = self.repo.save_row(claim.with_changes(waived=True))
            self.ctx.ledger.post_event("tariff.demurrage.waived", claim_no=claim_no, reason=reason)
            span.note("claim_no", claim_no)
            span.note("reason", reason)
            return Outcome.ok(claim)
