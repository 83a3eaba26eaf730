"""Dredging: silt makes slips shallower from month to month, and the dredger gives it back."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.berth.slip import SlipRepo, SlipState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class SiltSounding(HarborRow):
    """One sounding of the bottom under a slip."""

    sounding_id: str
    slip_id: str
    sounded_at: TideStamp
    depth: Draft


class SiltSoundingRepo(TideRepo[SiltSounding]):
    """Soundings by number."""

    table = "berth_silt_sounding"
    key_column = "sounding_id"

    def fetch_series(self, slip_id: str) -> list[SiltSounding]:
        """The soundings of one slip, oldest first."""
        return sorted(self.fetch_all_by(slip_id=slip_id), key=lambda row: row.sounded_at)


@harbor_service("berth.dredge")
class SiltSoundingService:
    """Sounds the slips and sends the dredger."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = SiltSoundingRepo(ctx)
        self.slips = SlipRepo(ctx)

    def sound(self, slip_id: str, depth: Draft) -> Outcome[SiltSounding]:
        """Take a sounding and put the new depth on the slip.

        Fails with NOT_ON_FILE, BERTH_TAKEN.
        """
        require_grant(self.ctx, "berth.dredge.sound")
        require_slot(self.ctx, "slip_id", slip_id)
        require_positive(self.ctx, "depth", depth.cm)
        with trace_span("harbor.berth.dredge.sound", self.ctx) as span:
            slip = self.slips.fetch_one_by("slip_id", slip_id)
            if slip is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
            if slip.state is SlipState.TAKEN:
                return Outcome.fail(
                    ErrCode.BERTH_TAKEN, f"slip {slip_id} cannot be sounded under a hull"
                )
            sounding_id = self.ctx.next_serial("SND")
            sounding = self.repo.insert_row(
                SiltSounding(
                    sounding_id=sounding_id,
                    slip_id=slip_id,
                    sounded_at=self.ctx.clock.now_stamp(),
                    depth=depth,
                )
            )
            slip = self.slips.save_row(slip.with_changes(depth=depth))
            self.ctx.ledger.post_event("berth.dredge.sounded", slip_id=slip_id, depth_cm=depth.cm)
            span.note("slip_id", slip_id)
            span.note("sounding_id", sounding_id)
            return Outcome.ok(sounding)

    def silt_per_month(self, slip_id: str) -> Outcome[int]:
        """Centimetres of silt in thirty days, from the first and last sounding.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "berth.dredge.silt_per_month")
        require_slot(self.ctx, "slip_id", slip_id)
        with trace_span("harbor.berth.dredge.silt_per_month", self.ctx) as span:
            series = self.repo.fetch_series(slip_id)
            if len(series) < 2:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} has too few soundings")
            first, last = series[0], series[-1]
            days = max(1, first.sounded_at.days_until(last.sounded_at))
            silt_cm = (first.depth.cm - last.depth.cm) * 30 // days
            span.note("slip_id", slip_id)
            span.note("silt_cm", silt_cm)
            return Outcome.ok(silt_cm)

    def clear_bottom(self, slip_id: str, wanted: Draft) -> Outcome[int]:
        """Dredge a blocked slip to the wanted depth; gives the centimetres taken out.

        Fails with NOT_ON_FILE, WRONG_STATE, BOTTOM_FOUL.
        """
        require_grant(self.ctx, "berth.dredge.clear_bottom")
        require_slot(self.ctx, "slip_id", slip_id)
        require_positive(self.ctx, "wanted", wanted.cm)
        with trace_span("harbor.berth.dredge.clear_bottom", self.ctx) as span:
            slip = self.slips.fetch_one_by("slip_id", slip_id)
            if slip is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
            if slip.state is not SlipState.BLOCKED:
                return Outcome.fail(ErrCode.WRONG_STATE, f"slip {slip_id} must be blocked first")
            cut_cm = wanted.cm - slip.depth.cm
            cut_limit = self.ctx.knob("berth.dredge.cut_cm", default=150)
            if not 0 < cut_cm <= cut_limit:
                return Outcome.fail(
                    ErrCode.BOTTOM_FOUL, f"slip {slip_id} cannot be cut by {cut_cm} cm"
                )
            slip = self.slips.save_row(slip.with_changes(depth=wanted, state=SlipState.FREE))
            self.ctx.ledger.post_event("berth.dredge.cleared", slip_id=slip_id, cut_cm=cut_cm)
            span.note("slip_id", slip_id)
            span.note("cut_cm", cut_cm)
            return Outcome.ok(cut_cm)
