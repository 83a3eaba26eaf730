"""Flake ice: made at night, sold by the box to hulls that stay out for more than one tide."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_port, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Tonnage
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span

BOX_WEIGHT = Tonnage.of_kg(25)


@dataclass(frozen=True, slots=True)
class IceBin(HarborRow):
    """A bin of flake ice."""

    bin_id: str
    capacity: Tonnage
    stock: Tonnage = Tonnage(0)
    boxes_sold: int = 0

    def boxes_left(self) -> int:
        return self.stock.kg // BOX_WEIGHT.kg


class IceBinRepo(TideRepo[IceBin]):
    """Bins by number."""

    table = "coldhold_ice_bin"
    key_column = "bin_id"

    def fetch_fullest(self) -> IceBin | None:
        return max(self.fetch_all_by(), key=lambda row: row.stock, default=None)


@harbor_service("coldhold.ice")
class IceBinService:
    """Makes and sells flake ice."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = IceBinRepo(ctx)
        self.hulls = HullRepo(ctx)

    def make_ice(self, bin_id: str, made: Tonnage) -> Outcome[IceBin]:
        """Add the ice of a night; what does not fit melts away.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "coldhold.ice.make_ice")
        require_slot(self.ctx, "bin_id", bin_id)
        require_positive(self.ctx, "made", made.kg)
        with trace_span("harbor.coldhold.ice.make_ice", self.ctx) as span:
            ice_bin = self.repo.fetch_one_by("bin_id", bin_id)
            if ice_bin is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"ice_bin {bin_id} is not on file")
            stock = min(ice_bin.capacity, ice_bin.stock.plus_load(made))
            melted = ice_bin.stock.plus_load(made).minus_load(stock)
            ice_bin = self.repo.save_row(ice_bin.with_changes(stock=stock))
            self.ctx.ledger.post_event(
                "coldhold.ice.made", bin_id=bin_id, kg=made.kg, melted_kg=melted.kg
            )
            span.note("bin_id", bin_id)
            span.note("melted_kg", melted.kg)
            return Outcome.ok(ice_bin)

    def sell_boxes(self, hull_no: str, boxes: int) -> Outcome[Dues]:
        """Sell boxes from the fullest bin; gives the price.

        Fails with NOT_ON_FILE, OVER_CAPACITY.
        """
        require_grant(self.ctx, "coldhold.ice.sell_boxes")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "boxes", boxes)
        with trace_span("harbor.coldhold.ice.sell_boxes", self.ctx) as span:
            hull = self.hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            require_port(self.ctx, hull.port_code)
            ice_bin = self.repo.fetch_fullest()
            if ice_bin is None or ice_bin.boxes_left() < boxes:
                return Outcome.fail(ErrCode.OVER_CAPACITY, f"no bin holds {boxes} boxes")
            sold = Tonnage.of_kg(boxes * BOX_WEIGHT.kg)
            ice_bin = self.repo.save_row(
                ice_bin.with_changes(
                    stock=ice_bin.stock.minus_load(sold), boxes_sold=ice_bin.boxes_sold + boxes
                )
            )
            price = Dues.of_cents(self.ctx.knob("coldhold.ice.box_cents", default=450)).times(boxes)
            self.ctx.ledger.post_event(
                "coldhold.ice.sold", bin_id=ice_bin.bin_id, hull_no=hull_no, boxes=boxes
            )
            span.note("hull_no", hull_no)
            span.note("boxes", boxes)
            return Outcome.ok(price)

    def melt_day(self, bin_id: str) -> Outcome[IceBin]:
        """Take off what melts in a day, four percent of the stock.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "coldhold.ice.melt_day")
        require_slot(self.ctx, "bin_id", bin_id)
        with trace_span("harbor.coldhold.ice.melt_day", self.ctx) as span:
            ice_bin = self.repo.fetch_one_by("bin_id", bin_id)
            if ice_bin is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"ice_bin {bin_id} is not on file")
            melted = ice_bin.stock.share_bp(400)
            ice_bin = self.repo.save_row(
                ice_bin.with_changes(stock=ice_bin.stock.minus_load(melted))
            )
            self.ctx.ledger.post_event("coldhold.ice.melted", bin_id=bin_id, kg=melted.kg)
            span.note("bin_id", bin_id)
            span.note("kg", melted.kg)
            return Outcome.ok(ice_bin)
