"""Drills: fire, man overboard and spill. Every crew has to do each of them in time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


class DrillKind(Enum):
    """The drills of the harbour."""

    FIRE = "fire"
    OVERBOARD = "overboard"
    SPILL = "spill"


@dataclass(frozen=True, slots=True)
class Drill(HarborRow):
    """One drill of one hull."""

    drill_no: str
    hull_no: str
    kind: DrillKind
    held_at: TideStamp
    seconds: int
    passed: bool


class DrillRepo(TideRepo[Drill]):
    """Drills by number."""

    table = "safety_drill"
    key_column = "drill_no"

    def fetch_last(self, hull_no: str, kind: DrillKind) -> Drill | None:
        """The latest drill of a kind that was passed."""
        passed = self.fetch_all_by(hull_no=hull_no, kind=kind, passed=True)
        return max(passed, key=lambda drill: drill.held_at, default=None)


@harbor_service("safety.drill")
class DrillService:
    """Notes drills and finds the overdue ones."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = DrillRepo(ctx)
        self.hulls = HullRepo(ctx)

    def hold(self, hull_no: str, kind: DrillKind, seconds: int) -> Outcome[Drill]:
        """Note a drill; it is passed when it was quick enough.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "safety.drill.hold")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "seconds", seconds)
        with trace_span("harbor.safety.drill.hold", self.ctx) as span:
            hull = self.hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            allowed = self.ctx.knob(f"safety.drill.{kind.value}_seconds", default=240)
            drill_no = self.ctx.next_serial("DRL")
            drill = self.repo.insert_row(
                Drill(
                    drill_no=drill_no,
                    hull_no=hull.hull_no,
                    kind=kind,
                    held_at=self.ctx.clock.now_stamp(),
                    seconds=seconds,
                    passed=seconds <= allowed,
                )
            )
            self.ctx.ledger.post_event("safety.drill.held", drill_no=drill_no, passed=drill.passed)
            span.note("drill_no", drill_no)
            span.note("passed", drill.passed)
            return Outcome.ok(drill)

    def days_left(self, hull_no: str, kind: DrillKind) -> Outcome[int]:
        """Days until the next drill of a kind is due.

        Fails with DRILL_OVERDUE.
        """
        require_grant(self.ctx, "safety.drill.days_left")
        require_slot(self.ctx, "hull_no", hull_no)
        with trace_span("harbor.safety.drill.days_left", self.ctx) as span:
            last = self.repo.fetch_last(hull_no, kind)
            if last is None:
                return Outcome.fail(
                    ErrCode.DRILL_OVERDUE, f"hull {hull_no} has never passed a {kind.value} drill"
                )
            every_days = self.ctx.knob("safety.drill.every_days", default=60)
            days = every_days - last.held_at.days_until(self.ctx.clock.now_stamp())
            if days < 0:
                return Outcome.fail(
                    ErrCode.DRILL_OVERDUE, f"hull {hull_no} is {-days} days late with {kind.value}"
                )
            span.note("hull_no", hull_no)
            span.note("days", days)
            return Outcome.ok(days)

    def confirm_drilled(self, hull_no: str) -> Outcome[int]:
        """The days until the first of all drills is due."""
        require_grant(self.ctx, "safety.drill.confirm_drilled")
        require_slot(self.ctx, "hull_no", hull_no)
        with trace_span("harbor.safety.drill.confirm_drilled", self.ctx) as span:
            days_left = []
            for kind in DrillKind:
                days = self.days_left(hull_no, kind)
                if not days.is_ok:
                    return days.carry_failure()
                days_left.append(days.unwrap())
            span.note("hull_no", hull_no)
            return Outcome.ok(min(days_left))
