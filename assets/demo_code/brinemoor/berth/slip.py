"""Slips: the numbered places along a quay where one hull can lie."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


class SlipState(Enum):
    """What a slip is doing."""

    FREE = "free"
    TAKEN = "taken"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Slip(HarborRow):
    """One place at a quay."""

    slip_id: str
    quay_code: str
    length: Draft
    depth: Draft
    state: SlipState = SlipState.FREE
    hull_no: str = ""
    taken_at: TideStamp = TideStamp(0)


class SlipRepo(TideRepo[Slip]):
    """Slips by number."""

    table = "berth_slip"
    key_column = "slip_id"

    def fetch_free_for(self, draft: Draft) -> list[Slip]:
        """Free slips that are deep enough, the shallowest first."""
        free = [slip for slip in self.fetch_all_by(state=SlipState.FREE) if slip.depth >= draft]
        return sorted(free, key=lambda slip: (slip.depth, slip.slip_id))


@harbor_service("berth.slip")
class SlipService:
    """Assigns slips to hulls."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = SlipRepo(ctx)
        self.hulls = HullRepo(ctx)

    def assign(self, slip_id: str, hull_no: str) -> Outcome[Slip]:
        """Put a hull in a free slip that is deep enough for it.

        Fails with NOT_ON_FILE, BERTH_TAKEN, DRAFT_TOO_DEEP.
        """
        require_grant(self.ctx, "berth.slip.assign")
        require_slot(self.ctx, "slip_id", slip_id)
        require_slot(self.ctx, "hull_no", hull_no)
        with trace_span("harbor.berth.slip.assign", self.ctx) as span:
            slip = self.repo.fetch_one_by("slip_id", slip_id)
            if slip is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
            hull = self.hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            if slip.state is not SlipState.FREE:
                return Outcome.fail(ErrCode.BERTH_TAKEN, f"slip {slip_id} is {slip.state.value}")
            if hull.draft.is_over(slip.depth):
                return Outcome.fail(
                    ErrCode.DRAFT_TOO_DEEP, f"hull {hull_no} draws {hull.draft.label()}"
                )
            slip = self.repo.save_row(
                slip.with_changes(
                    state=SlipState.TAKEN, hull_no=hull_no, taken_at=self.ctx.clock.now_stamp()
                )
            )
            self.ctx.ledger.post_event("berth.slip.assigned", slip_id=slip_id, hull_no=hull_no)
            span.note("slip_id", slip_id)
            span.note("hull_no", hull_no)
            return Outcome.ok(slip)

    def vacate(self, slip_id: str) -> Outcome[int]:
        """Free a slip and give back the minutes for which it was taken.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "berth.slip.vacate")
        require_slot(self.ctx, "slip_id", slip_id)
        with trace_span("harbor.berth.slip.vacate", self.ctx) as span:
            slip = self.repo.fetch_one_by("slip_id", slip_id)
            if slip is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
            if slip.state is not SlipState.TAKEN:
                return Outcome.fail(ErrCode.WRONG_STATE, f"slip {slip_id} is {slip.state.value}")
            minutes = slip.taken_at.minutes_until(self.ctx.clock.now_stamp())
            self.ctx.ledger.post_event(
                "berth.slip.vacated", slip_id=slip_id, hull_no=slip.hull_no, minutes=minutes
            )
            slip = self.repo.save_row(
                slip.with_changes(state=SlipState.FREE, hull_no="", taken_at=TideStamp(0))
            )
            span.note("slip_id", slip.slip_id)
            span.note("minutes", minutes)
            return Outcome.ok(minutes)

    def block(self, slip_id: str, reason: str) -> Outcome[Slip]:
        """Take a free slip out of service.

        Fails with NOT_ON_FILE, BERTH_TAKEN.
        """
        require_grant(self.ctx, "berth.slip.block")
        require_slot(self.ctx, "slip_id", slip_id)
        require_slot(self.ctx, "reason", reason)
        with trace_span("harbor.berth.slip.block", self.ctx) as span:
            slip = self.repo.fetch_one_by("slip_id", slip_id)
            if slip is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
            if slip.state is SlipState.TAKEN:
                return Outcome.fail(
                    ErrCode.BERTH_TAKEN, f"slip {slip_id} is held by {slip.hull_no}"
                )
            slip = self.repo.save_row(slip.with_changes(state=SlipState.BLOCKED))
            self.ctx.ledger.post_event("berth.slip.blocked", slip_id=slip_id, reason=reason)
            span.note("slip_id", slip_id)
            span.note("reason", reason)
            return Outcome.ok(slip)

    def reopen(self, slip_id: str) -> Outcome[Slip]:
        """Put a blocked slip back into service.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "berth.slip.reopen")
        require_slot(self.ctx, "slip_id", slip_id)
        with trace_span("harbor.berth.slip.reopen", self.ctx) as span:
            slip = self.repo.fetch_one_by("slip_id", slip_id)
            if slip is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"slip {slip_id} is not on file")
            if slip.state is not SlipState.BLOCKED:
                return Outcome.fail(ErrCode.WRONG_STATE, f"slip {slip_id} is {slip.state.value}")
            slip = self.repo.save_row(slip.with_changes(state=SlipState.FREE))
            self.ctx.ledger.post_event("berth.slip.reopened", slip_id=slip_id)
            span.note("slip_id", slip_id)
            return Outcome.ok(slip)
