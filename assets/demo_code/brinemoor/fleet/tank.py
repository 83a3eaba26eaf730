"""Fuel tanks: what every hull has left, and what it needs for a run to the growing lines."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class FuelTank(HarborRow):
    """The tank of one hull, in litres."""

    hull_no: str
    capacity: int
    level: int = 0
    burn_per_hour: int = 20

    def hours_left(self) -> int:
        return self.level // self.burn_per_hour

    def room_left(self) -> int:
        return self.capacity - self.level


class FuelTankRepo(TideRepo[FuelTank]):
    """Tanks by hull number; a hull has one tank only."""

    table = "fleet_fuel_tank"
    key_column = "hull_no"


@harbor_service("fleet.tank")
class FuelTankService:
    """Fills and drains the tanks."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = FuelTankRepo(ctx)
        self.hulls = HullRepo(ctx)

    def fit_tank(self, hull_no: str, capacity: int, burn_per_hour: int) -> Outcome[FuelTank]:
        """Put a tank on file for a hull.

        Fails with NOT_ON_FILE, ALREADY_ON_FILE.
        """
        require_grant(self.ctx, "fleet.tank.fit_tank")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "capacity", capacity)
        require_positive(self.ctx, "burn_per_hour", burn_per_hour)
        with trace_span("harbor.fleet.tank.fit_tank", self.ctx) as span:
            hull = self.hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            if self.repo.holds_key(hull_no):
                return Outcome.fail(ErrCode.ALREADY_ON_FILE, f"tank {hull_no} is already on file")
            tank = self.repo.insert_row(
                FuelTank(hull_no=hull.hull_no, capacity=capacity, burn_per_hour=burn_per_hour)
            )
            self.ctx.ledger.post_event("fleet.tank.fitted", hull_no=hull_no, capacity=capacity)
            span.note("hull_no", hull_no)
            return Outcome.ok(tank)

    def take_fuel(self, hull_no: str, litres: int) -> Outcome[FuelTank]:
        """Bunker fuel; the tank never takes more than it has room for.

        Fails with NOT_ON_FILE, OVER_CAPACITY.
        """
        require_grant(self.ctx, "fleet.tank.take_fuel")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "litres", litres)
        with trace_span("harbor.fleet.tank.take_fuel", self.ctx) as span:
            tank = self.repo.fetch_one_by("hull_no", hull_no)
            if tank is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"tank {hull_no} is not on file")
            if litres > tank.room_left():
                return Outcome.fail(
                    ErrCode.OVER_CAPACITY, f"tank {hull_no} has room for {tank.room_left()} litres"
                )
            tank = self.repo.save_row(tank.with_changes(level=tank.level + litres))
            self.ctx.ledger.post_event("fleet.tank.bunkered", hull_no=hull_no, litres=litres)
            span.note("hull_no", hull_no)
            span.note("litres", litres)
            return Outcome.ok(tank)

    def burn_hours(self, hull_no: str, hours: int) -> Outcome[FuelTank]:
        """Book the fuel burnt on a run.

        Fails with NOT_ON_FILE, TANK_LOW.
        """
        require_grant(self.ctx, "fleet.tank.burn_hours")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "hours", hours)
        with trace_span("harbor.fleet.tank.burn_hours", self.ctx) as span:
            tank = self.repo.fetch_one_by("hull_no", hull_no)
            if tank is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"tank {hull_no} is not on file")
            burnt = hours * tank.burn_per_hour
            if burnt > tank.level:
                return Outcome.fail(
                    ErrCode.TANK_LOW, f"tank {hull_no} holds {tank.level} of {burnt} litres"
                )
            tank = self.repo.save_row(tank.with_changes(level=tank.level - burnt))
            self.ctx.ledger.post_event("fleet.tank.burnt", hull_no=hull_no, litres=burnt)
            span.note("hull_no", hull_no)
            span.note("litres", burnt)
            return Outcome.ok(tank)

    def clear_for_run(self, hull_no: str, hours: int) -> Outcome[int]:
        """Check that a run leaves the reserve of the port in the tank.

        Fails with NOT_ON_FILE, TANK_LOW.
        """
        require_grant(self.ctx, "fleet.tank.clear_for_run")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "hours", hours)
        with trace_span("harbor.fleet.tank.clear_for_run", self.ctx) as span:
            tank = self.repo.fetch_one_by("hull_no", hull_no)
            if tank is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"tank {hull_no} is not on file")
            reserve_hours = self.ctx.knob("fleet.tank.reserve_hours", default=3)
            spare_hours = tank.hours_left() - hours - reserve_hours
            if spare_hours < 0:
                return Outcome.fail(
                    ErrCode.TANK_LOW, f"tank {hull_no} is {-spare_hours} hours short"
                )
            span.note("hull_no", hull_no)
            span.note("spare_hours", spare_hours)
            return Outcome.ok(spare_hours)
