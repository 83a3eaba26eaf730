"""Defrost cycles: coils ice up with the moisture of the kelp and must be thawed in turn."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.coldhold.chamber import ChamberService, ChamberState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class CoilCycle(HarborRow):
    """The running hours of one coil since its last thaw."""

    coil_id: str
    chamber_id: str
    hours_run: int = 0
    thaw_ends_at: TideStamp | None = None

    def is_thawing(self, now: TideStamp) -> bool:
        return self.thaw_ends_at is not None and now < self.thaw_ends_at


class CoilCycleRepo(TideRepo[CoilCycle]):
    """Coils by number."""

    table = "coldhold_coil_cycle"
    key_column = "coil_id"


@harbor_service("coldhold.defrost")
class CoilCycleService:
    """Runs and thaws coils."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = CoilCycleRepo(ctx)
        self.chambers = ChamberService(ctx)

    def book_hours(self, coil_id: str, hours: int) -> Outcome[CoilCycle]:
        """Book running hours; a coil that is overdue takes no more.

        Fails with NOT_ON_FILE, DEFROST_DUE.
        """
        require_grant(self.ctx, "coldhold.defrost.book_hours")
        require_slot(self.ctx, "coil_id", coil_id)
        require_positive(self.ctx, "hours", hours)
        with trace_span("harbor.coldhold.defrost.book_hours", self.ctx) as span:
            coil = self.repo.fetch_one_by("coil_id", coil_id)
            if coil is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"coil {coil_id} is not on file")
            hour_limit = self.ctx.knob("coldhold.defrost.hour_limit", default=48)
            if coil.hours_run >= hour_limit:
                return Outcome.fail(
                    ErrCode.DEFROST_DUE, f"coil {coil_id} has run {coil.hours_run} hours"
                )
            coil = self.repo.save_row(coil.with_changes(hours_run=coil.hours_run + hours))
            self.ctx.ledger.post_event("coldhold.defrost.booked", coil_id=coil_id, hours=hours)
            span.note("coil_id", coil_id)
            span.note("hours", hours)
            return Outcome.ok(coil)

    def start_thaw(self, coil_id: str) -> Outcome[TideStamp]:
        """Start a thaw; gives the stamp at which it ends.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "coldhold.defrost.start_thaw")
        require_slot(self.ctx, "coil_id", coil_id)
        with trace_span("harbor.coldhold.defrost.start_thaw", self.ctx) as span:
            coil = self.repo.fetch_one_by("coil_id", coil_id)
            if coil is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"coil {coil_id} is not on file")
            now = self.ctx.clock.now_stamp()
            thawing = [other for other in self.repo.fetch_all_by() if other.is_thawing(now)]
            # Tide rule: one coil at a time, the shore supply does not carry two heaters.
            if thawing:
                return Outcome.fail(ErrCode.WRONG_STATE, f"coil {thawing[0].coil_id} is thawing")
            switched = self.chambers.switch_state(coil.chamber_id, ChamberState.DEFROST)
            if not switched.is_ok:
                return switched.carry_failure()
            ends_at = now.plus_minutes(20 + coil.hours_run)
            coil = self.repo.save_row(coil.with_changes(thaw_ends_at=ends_at))
            self.ctx.ledger.post_event(
                "coldhold.defrost.thaw_started", coil_id=coil_id, ends_at=ends_at.label()
            )
            span.note("coil_id", coil_id)
            span.note("chamber_id", coil.chamber_id)
            return Outcome.ok(ends_at)

    def end_thaw(self, coil_id: str) -> Outcome[CoilCycle]:
        """End a thaw whose time is over and make the chamber cold again.

        Fails with NOT_ON_FILE, WRONG_STATE, DEFROST_DUE.
        """
        require_grant(self.ctx, "coldhold.defrost.end_thaw")
        require_slot(self.ctx, "coil_id", coil_id)
        with trace_span("harbor.coldhold.defrost.end_thaw", self.ctx) as span:
            coil = self.repo.fetch_one_by("coil_id", coil_id)
            if coil is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"coil {coil_id} is not on file")
            if coil.thaw_ends_at is None:
                return Outcome.fail(ErrCode.WRONG_STATE, f"coil {coil_id} is not thawing")
            if coil.is_thawing(self.ctx.clock.now_stamp()):
                return Outcome.fail(ErrCode.DEFROST_DUE, f"coil {coil_id} still has ice on it")
            switched = self.chambers.switch_state(coil.chamber_id, ChamberState.COLD)
            if not switched.is_ok:
                return switched.carry_failure()
            coil = self.repo.save_row(coil.with_changes(hours_run=0, thaw_ends_at=None))
            self.ctx.ledger.post_event(
                "coldhold.defrost.thaw_ended", coil_id=coil_id, chamber_id=coil.chamber_id
            )
            span.note("coil_id", coil_id)
            return Outcome.ok(coil)
