"""Mooring lines: what holds a hull to its slip. Lines wear with every hour under load."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.berth.slip import SlipRepo, SlipState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Tonnage, total_load
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


class LineKind(Enum):
    """Where a line runs to."""

    HEAD = "head"
    STERN = "stern"
    BREAST = "breast"
    SPRING = "spring"


@dataclass(frozen=True, slots=True)
class MooringLine(HarborRow):
    """One line in the locker or on a bollard."""

    line_id: str
    kind: LineKind
    rating: Tonnage
    slip_id: str = ""
    worn_hours: int = 0

    def is_in_locker(self) -> bool:
        return self.slip_id == ""

    def rating_left(self) -> Tonnage:
        """A line loses two percent of its rating with every hundred hours, to a fifth at worst."""
        return self.rating.share_bp(max(2_000, 10_000 - 200 * (self.worn_hours // 100)))


class MooringLineRepo(TideRepo[MooringLine]):
    """Lines by tag."""

    table = "berth_mooring_line"
    key_column = "line_id"

    def fetch_on_slip(self, slip_id: str) -> list[MooringLine]:
        return self.fetch_all_by(slip_id=slip_id)


@harbor_service("berth.mooring")
class MooringLineService:
    """Makes lines fast and casts them off."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = MooringLineRepo(ctx)
        self.slips = SlipRepo(ctx)

    def make_fast(self, line_id: str, slip_id: str) -> Outcome[MooringLine]:
        """Run a line from the locker to a taken slip.

        Fails with NOT_ON_FILE, WRONG_STATE, ROW_LOCKED, LINE_WORN.
        """
        require_grant(self.ctx, "berth.mooring.make_fast")
        require_slot(self.ctx, "line_id", line_id)
        require_slot(self.ctx, "slip_id", slip_id)
        with trace_span("harbor.berth.mooring.make_fast", self.ctx) as span:
            line = self.repo.fetch_one_by("line_id", line_id)
            if line is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"line {line_id} is not on file")
            slip = self.slips.fetch_one_by("slip_id", slip_id)
            if slip is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
            if slip.state is not SlipState.TAKEN:
                return Outcome.fail(ErrCode.WRONG_STATE, f"slip {slip_id} holds no hull")
            if not line.is_in_locker():
                return Outcome.fail(ErrCode.ROW_LOCKED, f"line {line_id} is on {line.slip_id}")
            wear_limit = self.ctx.knob("berth.mooring.wear_hours", default=2400)
            if line.worn_hours >= wear_limit:
                return Outcome.fail(
                    ErrCode.LINE_WORN, f"line {line_id} has {line.worn_hours} hours"
                )
            line = self.repo.save_row(line.with_changes(slip_id=slip_id))
            self.ctx.ledger.post_event("berth.mooring.made_fast", line_id=line_id, slip_id=slip_id)
            span.note("line_id", line_id)
            span.note("slip_id", slip_id)
            return Outcome.ok(line)

    def cast_off(self, line_id: str, hours: int) -> Outcome[MooringLine]:
        """Bring a line back to the locker and book its wear.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "berth.mooring.cast_off")
        require_slot(self.ctx, "line_id", line_id)
        require_positive(self.ctx, "hours", hours)
        with trace_span("harbor.berth.mooring.cast_off", self.ctx) as span:
            line = self.repo.fetch_one_by("line_id", line_id)
            if line is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"line {line_id} is not on file")
            if line.is_in_locker():
                return Outcome.fail(ErrCode.WRONG_STATE, f"line {line_id} is in the locker")
            line = self.repo.save_row(
                line.with_changes(slip_id="", worn_hours=line.worn_hours + hours)
            )
            self.ctx.ledger.post_event("berth.mooring.cast_off", line_id=line_id, hours=hours)
            span.note("line_id", line_id)
            span.note("hours", hours)
            return Outcome.ok(line)

    def holding_power(self, slip_id: str, pull: Tonnage) -> Outcome[Tonnage]:
        """What the lines on a slip hold together; it must exceed the pull.

        Fails with LINE_WORN.
        """
        require_grant(self.ctx, "berth.mooring.holding_power")
        require_slot(self.ctx, "slip_id", slip_id)
        require_positive(self.ctx, "pull", pull.kg)
        with trace_span("harbor.berth.mooring.holding_power", self.ctx) as span:
            lines = self.repo.fetch_on_slip(slip_id)
            kinds = {line.kind for line in lines}
            if not {LineKind.HEAD, LineKind.STERN} <= kinds:
                return Outcome.fail(ErrCode.LINE_WORN, f"slip {slip_id} lacks a head or stern line")
            power = total_load(line.rating_left() for line in lines)
            if pull.is_over(power):
                return Outcome.fail(ErrCode.LINE_WORN, f"slip {slip_id} holds {power.label()} only")
            span.note("slip_id", slip_id)
            span.note("lines", len(lines))
            return Outcome.ok(power)
