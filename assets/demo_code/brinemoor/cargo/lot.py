"""Kelp lots: what one hull lands from one growing line on one tide."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Tonnage
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import MINUTES_PER_HOUR, TideStamp
from brinemoor.kernel.trace import trace_span


class KelpGrade(Enum):
    """Grade at landing. Only prime kelp goes to the table, the rest to the driers."""

    PRIME = "prime"
    STANDARD = "standard"
    DRIER = "drier"


@dataclass(frozen=True, slots=True)
class KelpLot(HarborRow):
    """One lot with its weight and grade."""

    lot_no: str
    hull_no: str
    line_code: str
    weight: Tonnage
    landed_at: TideStamp
    grade: KelpGrade = KelpGrade.STANDARD
    sealed: bool = False

    def hours_on_quay(self, now: TideStamp) -> int:
        return self.landed_at.minutes_until(now) // MINUTES_PER_HOUR


class KelpLotRepo(TideRepo[KelpLot]):
    """Lots by number."""

    table = "cargo_kelp_lot"
    key_column = "lot_no"

    def fetch_unsealed(self) -> list[KelpLot]:
        """Lots that still may be split or merged, oldest first."""
        return sorted(self.fetch_all_by(sealed=False), key=lambda lot: lot.landed_at)


@harbor_service("cargo.lot")
class KelpLotService:
    """Lands lots and keeps their grade."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = KelpLotRepo(ctx)

    def land(self, hull_no: str, line_code: str, weight: Tonnage) -> Outcome[KelpLot]:
        """Land a lot under a fresh number.

        Fails with OVER_CAPACITY.
        """
        require_grant(self.ctx, "cargo.lot.land")
        require_slot(self.ctx, "hull_no", hull_no)
        require_slot(self.ctx, "line_code", line_code)
        require_positive(self.ctx, "weight", weight.kg)
        with trace_span("harbor.cargo.lot.land", self.ctx) as span:
            lot_limit = self.ctx.knob("cargo.lot.weight_limit_kg", default=40_000)
            if weight.kg > lot_limit:
                return Outcome.fail(
                    ErrCode.OVER_CAPACITY, f"lot of {weight.label()} must be landed in parts"
                )
            lot_no = self.ctx.next_serial("LOT")
            lot = self.repo.insert_row(
                KelpLot(
                    lot_no=lot_no,
                    hull_no=hull_no,
                    line_code=line_code,
                    weight=weight,
                    landed_at=self.ctx.clock.now_stamp(),
                )
            )
            self.ctx.ledger.post_event(
                "cargo.lot.landed", lot_no=lot_no, hull_no=hull_no, kg=weight.kg
            )
            span.note("lot_no", lot_no)
            span.note("hull_no", hull_no)
            return Outcome.ok(lot)

    def regrade(self, lot_no: str, grade: KelpGrade) -> Outcome[KelpLot]:
        """Set the grade; a lot that waited too long cannot be prime.

        Fails with NOT_ON_FILE, ROW_LOCKED, LOT_SPOILED.
        """
        require_grant(self.ctx, "cargo.lot.regrade")
        require_slot(self.ctx, "lot_no", lot_no)
        with trace_span("harbor.cargo.lot.regrade", self.ctx) as span:
            lot = self.repo.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            if lot.sealed:
                return Outcome.fail(ErrCode.ROW_LOCKED, f"lot {lot_no} is sealed")
            prime_hours = self.ctx.knob("cargo.lot.prime_hours", default=6)
            waited = lot.hours_on_quay(self.ctx.clock.now_stamp())
            if grade is KelpGrade.PRIME and waited > prime_hours:
                return Outcome.fail(ErrCode.LOT_SPOILED, f"lot {lot_no} waited {waited} hours")
            lot = self.repo.save_row(lot.with_changes(grade=grade))
            self.ctx.ledger.post_event("cargo.lot.regraded", lot_no=lot_no, grade=grade.value)
            span.note("lot_no", lot_no)
            span.note("grade", grade.value)
            return Outcome.ok(lot)

    def split_off(self, lot_no: str, weight: Tonnage) -> Outcome[KelpLot]:
        """Split a part off as a lot of its own; gives the new lot.

        Fails with NOT_ON_FILE, ROW_LOCKED, OVER_CAPACITY.
        """
        require_grant(self.ctx, "cargo.lot.split_off")
        require_slot(self.ctx, "lot_no", lot_no)
        require_positive(self.ctx, "weight", weight.kg)
        with trace_span("harbor.cargo.lot.split_off", self.ctx) as span:
            lot = self.repo.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            if lot.sealed:
                return Outcome.fail(ErrCode.ROW_LOCKED, f"lot {lot_no} is sealed")
            if not lot.weight.is_over(weight):
                return Outcome.fail(
                    ErrCode.OVER_CAPACITY, f"lot {lot_no} weighs {lot.weight.label()} only"
                )
            part_no = self.ctx.next_serial("LOT")
            part = self.repo.insert_row(lot.with_changes(lot_no=part_no, weight=weight))
            lot = self.repo.save_row(lot.with_changes(weight=lot.weight.minus_load(weight)))
            self.ctx.ledger.post_event(
                "cargo.lot.split", lot_no=lot_no, part_no=part_no, kg=weight.kg
            )
            span.note("lot_no", lot.lot_no)
            span.note("part_no", part_no)
            return Outcome.ok(part)
