"""Spills: oil or brine in the basin. While one is open, the slips next to it stay closed."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.berth.slip import SlipService, SlipState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class Spill(HarborRow):
    """One spill with what was let out and what was skimmed off."""

    spill_no: str
    quay_code: str
    litres: int
    skimmed: int = 0
    boom_metres: int = 0
    closed: bool = False

    def litres_left(self) -> int:
        return max(0, self.litres - self.skimmed)


class SpillRepo(TideRepo[Spill]):
    """Spills by number."""

    table = "safety_spill"
    key_column = "spill_no"

    def fetch_open_at(self, quay_code: str) -> list[Spill]:
        return self.fetch_all_by(quay_code=quay_code, closed=False)


@harbor_service("safety.spill")
class SpillService:
    """Fights spills."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = SpillRepo(ctx)
        self.slips = SlipService(ctx)

    def report_spill(self, quay_code: str, litres: int) -> Outcome[Spill]:
        """File a spill and block the free slips of its quay."""
        require_grant(self.ctx, "safety.spill.report_spill")
        require_slot(self.ctx, "quay_code", quay_code)
        require_positive(self.ctx, "litres", litres)
        with trace_span("harbor.safety.spill.report_spill", self.ctx) as span:
            spill_no = self.ctx.next_serial("SPL")
            spill = self.repo.insert_row(
                Spill(spill_no=spill_no, quay_code=quay_code, litres=litres)
            )
            free = self.slips.repo.fetch_all_by(quay_code=quay_code, state=SlipState.FREE)
            for slip in free:
                blocked = self.slips.block(slip.slip_id, spill_no)
                if not blocked.is_ok:
                    return blocked.carry_failure()
            self.ctx.ledger.post_event(
                "safety.spill.reported", spill_no=spill_no, quay_code=quay_code, litres=litres
            )
            span.note("spill_no", spill_no)
            span.note("slips", len(free))
            return Outcome.ok(spill)

    def lay_boom(self, spill_no: str, metres: int) -> Outcome[Spill]:
        """Lay more boom around a spill.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "safety.spill.lay_boom")
        require_slot(self.ctx, "spill_no", spill_no)
        require_positive(self.ctx, "metres", metres)
        with trace_span("harbor.safety.spill.lay_boom", self.ctx) as span:
            spill = self.repo.fetch_one_by("spill_no", spill_no)
            if spill is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"spill {spill_no} is not on file")
            if spill.closed:
                return Outcome.fail(ErrCode.WRONG_STATE, f"spill {spill_no} is closed")
            spill = self.repo.save_row(spill.with_changes(boom_metres=spill.boom_metres + metres))
            self.ctx.ledger.post_event("safety.spill.boom_laid", spill_no=spill_no, metres=metres)
            span.note("spill_no", spill_no)
            span.note("metres", metres)
            return Outcome.ok(spill)

    def skim(self, spill_no: str, litres: int) -> Outcome[int]:
        """Skim the water; gives the litres that are left.

        Fails with NOT_ON_FILE, SPILL_OPEN.
        """
        require_grant(self.ctx, "safety.spill.skim")
        require_slot(self.ctx, "spill_no", spill_no)
        require_positive(self.ctx, "litres", litres)
        with trace_span("harbor.safety.spill.skim", self.ctx) as span:
            spill = self.repo.fetch_one_by("spill_no", spill_no)
            if spill is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"spill {spill_no} is not on file")
            # Quay note: a metre of boom holds twenty litres; skimming without one spreads it.
            if spill.boom_metres * 20 < spill.litres:
                return Outcome.fail(ErrCode.SPILL_OPEN, f"spill {spill_no} needs more boom")
            spill = self.repo.save_row(spill.with_changes(skimmed=spill.skimmed + litres))
            spill = self.repo.save_row(spill.with_changes(closed=spill.litres_left() == 0))
            self.ctx.ledger.post_event(
                "safety.spill.skimmed", spill_no=spill_no, left=spill.litres_left()
            )
            span.note("spill_no", spill_no)
            span.note("litres", litres)
            return Outcome.ok(spill.litres_left())
