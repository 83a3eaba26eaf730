"""Weighings: the bridge scale at the quay gate against the weight the skipper has declared."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.cargo.lot import KelpLot, KelpLotRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Tonnage
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class Weighing(HarborRow):
    """One pass over the bridge scale."""

    weighing_id: str
    lot_no: str
    gross: Tonnage
    tare: Tonnage
    weighed_at: TideStamp

    def net_weight(self) -> Tonnage:
        return self.gross.minus_load(self.tare)


class WeighingRepo(TideRepo[Weighing]):
    """Weighings by number."""

    table = "cargo_weighing"
    key_column = "weighing_id"

    def fetch_last_for(self, lot_no: str) -> Weighing | None:
        passes = self.fetch_all_by(lot_no=lot_no)
        return passes[-1] if passes else None


@harbor_service("cargo.weighing")
class WeighingService:
    """Weighs lots and corrects what was declared."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = WeighingRepo(ctx)
        self.lots = KelpLotRepo(ctx)

    def weigh(self, lot_no: str, gross: Tonnage, tare: Tonnage) -> Outcome[Weighing]:
        """Note one pass over the scale.

        Fails with NOT_ON_FILE, WEIGHT_DRIFT.
        """
        require_grant(self.ctx, "cargo.weighing.weigh")
        require_slot(self.ctx, "lot_no", lot_no)
        require_positive(self.ctx, "gross", gross.kg)
        require_positive(self.ctx, "tare", tare.kg)
        with trace_span("harbor.cargo.weighing.weigh", self.ctx) as span:
            lot = self.lots.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            if not gross.is_over(tare):
                return Outcome.fail(ErrCode.WEIGHT_DRIFT, f"gross {gross.label()} is below tare")
            weighing_id = self.ctx.next_serial("WGH")
            weighing = self.repo.insert_row(
                Weighing(
                    weighing_id=weighing_id,
                    lot_no=lot.lot_no,
                    gross=gross,
                    tare=tare,
                    weighed_at=self.ctx.clock.now_stamp(),
                )
            )
            self.ctx.ledger.post_event(
                "cargo.weighing.weighed", weighing_id=weighing_id, lot_no=lot_no
            )
            span.note("weighing_id", weighing_id)
            span.note("lot_no", lot_no)
            return Outcome.ok(weighing)

    def drift_bp(self, lot_no: str) -> Outcome[int]:
        """Drift of the scale from the declared weight in basis points.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "cargo.weighing.drift_bp")
        require_slot(self.ctx, "lot_no", lot_no)
        with trace_span("harbor.cargo.weighing.drift_bp", self.ctx) as span:
            lot = self.lots.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            weighing = self.repo.fetch_last_for(lot_no)
            if weighing is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} was never weighed")
            drift = abs(weighing.net_weight().kg - lot.weight.kg) * 10_000 // lot.weight.kg
            span.note("lot_no", lot_no)
            span.note("drift", drift)
            return Outcome.ok(drift)

    def settle_weight(self, lot_no: str) -> Outcome[KelpLot]:
        """Take over the scale weight when the drift is small enough to believe.

        Fails with WEIGHT_DRIFT, NOT_ON_FILE.
        """
        require_grant(self.ctx, "cargo.weighing.settle_weight")
        require_slot(self.ctx, "lot_no", lot_no)
        with trace_span("harbor.cargo.weighing.settle_weight", self.ctx) as span:
            drift = self.drift_bp(lot_no)
            if not drift.is_ok:
                return drift.carry_failure()
            drift_limit = self.ctx.knob("cargo.weighing.drift_bp", default=300)
            if drift.unwrap() > drift_limit:
                return Outcome.fail(
                    ErrCode.WEIGHT_DRIFT, f"lot {lot_no} drifts by {drift.unwrap()} bp"
                )
            lot = self.lots.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            weighing = self.repo.fetch_last_for(lot_no)
            # Quay note: drift_bp has seen a weighing already, so there is one.
            net = weighing.net_weight() if weighing else lot.weight
            lot = self.lots.save_row(lot.with_changes(weight=net))
            self.ctx.ledger.post_event("cargo.weighing.settled", lot_no=lot_no, kg=net.kg)
            span.note("lot_no", lot_no)
            span.note("kg", net.kg)
            return Outcome.ok(lot)
