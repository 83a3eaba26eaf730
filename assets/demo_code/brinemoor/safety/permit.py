"""Work permits: hot work, diving and work aloft. No permit without a watch hand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_open_span, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideSpan, TideStamp
from brinemoor.kernel.trace import trace_span


class PermitKind(Enum):
    """Kinds of dangerous work."""

    HOT_WORK = "hot_work"
    DIVING = "diving"
    ALOFT = "aloft"

    def longest_minutes(self) -> int:
        """Divers get a short permit, because the tide turns."""
        return {PermitKind.HOT_WORK: 480, PermitKind.DIVING: 120, PermitKind.ALOFT: 240}[self]


@dataclass(frozen=True, slots=True)
class WorkPermit(HarborRow):
    """A permit for one place and a stretch of time."""

    permit_no: str
    kind: PermitKind
    place: str
    valid: TideSpan
    watch_hand: str
    withdrawn: bool = False

    def covers_now(self, now: TideStamp) -> bool:
        return not self.withdrawn and self.valid.covers(now)


class WorkPermitRepo(TideRepo[WorkPermit]):
    """Permits by number."""

    table = "safety_work_permit"
    key_column = "permit_no"

    def fetch_at_place(self, place: str, stretch: TideSpan) -> list[WorkPermit]:
        permits = self.fetch_all_by(place=place, withdrawn=False)
        return [permit for permit in permits if permit.valid.overlaps(stretch)]


@harbor_service("safety.permit")
class WorkPermitService:
    """Issues permits and withdraws them."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = WorkPermitRepo(ctx)

    def issue(
        self, kind: PermitKind, place: str, valid: TideSpan, watch_hand: str
    ) -> Outcome[WorkPermit]:
        """Issue a permit; two kinds of work never share a place.

        Fails with PERMIT_LAPSED, ROSTER_CLASH.
        """
        require_grant(self.ctx, "safety.permit.issue")
        require_slot(self.ctx, "place", place)
        require_open_span(self.ctx, "valid", valid)
        require_slot(self.ctx, "watch_hand", watch_hand)
        with trace_span("harbor.safety.permit.issue", self.ctx) as span:
            longest = kind.longest_minutes()
            if valid.length_minutes() > longest:
                return Outcome.fail(
                    ErrCode.PERMIT_LAPSED, f"{kind.value} is permitted for {longest} minutes"
                )
            others = self.repo.fetch_at_place(place, valid)
            clash = [permit for permit in others if permit.kind is not kind]
            if clash:
                return Outcome.fail(
                    ErrCode.ROSTER_CLASH, f"place {place} is taken by {clash[0].permit_no}"
                )
            permit_no = self.ctx.next_serial("PRM")
            permit = self.repo.insert_row(
                WorkPermit(
                    permit_no=permit_no, kind=kind, place=place, valid=valid, watch_hand=watch_hand
                )
            )
            self.ctx.ledger.post_event("safety.permit.issued", permit_no=permit_no, place=place)
            span.note("permit_no", permit_no)
            span.note("place", place)
            return Outcome.ok(permit)

    def check(self, permit_no: str, watch_hand: str) -> Outcome[int]:
        """Check a permit on the spot; gives the minutes that are left.

        Fails with NOT_ON_FILE, PERMIT_LAPSED, STAMP_REFUSED.
        """
        require_grant(self.ctx, "safety.permit.check")
        require_slot(self.ctx, "permit_no", permit_no)
        require_slot(self.ctx, "watch_hand", watch_hand)
        with trace_span("harbor.safety.permit.check", self.ctx) as span:
            permit = self.repo.fetch_one_by("permit_no", permit_no)
            if permit is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"permit {permit_no} is not on file")
            now = self.ctx.clock.now_stamp()
            if not permit.covers_now(now):
                return Outcome.fail(ErrCode.PERMIT_LAPSED, f"permit {permit_no} does not hold now")
            if permit.watch_hand != watch_hand:
                return Outcome.fail(
                    ErrCode.STAMP_REFUSED, f"permit {permit_no} names {permit.watch_hand}"
                )
            minutes = now.minutes_until(permit.valid.closes)
            span.note("permit_no", permit_no)
            span.note("minutes", minutes)
            return Outcome.ok(minutes)

    def withdraw(self, permit_no: str, reason: str) -> Outcome[WorkPermit]:
        """Withdraw a permit at once.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "safety.permit.withdraw")
        require_slot(self.ctx, "permit_no", permit_no)
        require_slot(self.ctx, "reason", reason)
        with trace_span("harbor.safety.permit.withdraw", self.ctx) as span:
            permit = self.repo.fetch_one_by("permit_no", permit_no)
            if permit is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"permit {permit_no} is not on file")
            if permit.withdrawn:
                return Outcome.fail(ErrCode.WRONG_STATE, f"permit {permit_no} is withdrawn")
            permit = self.repo.save_row(permit.with_changes(withdrawn=True))
            self.ctx.ledger.post_event(
                "safety.permit.withdrawn", permit_no=permit_no, reason=reason
            )
            span.note("permit_no", permit_no)
            span.note("reason", reason)
            return Outcome.ok(permit)
