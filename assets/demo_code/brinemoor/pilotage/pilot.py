"""Pilots: who may bring which hull over the bar, and when a pilot has to rest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import MINUTES_PER_HOUR, TideStamp
from brinemoor.kernel.trace import trace_span


class PilotClass(Enum):
    """The class decides the draft that a pilot may bring in."""

    HARBOUR = "harbour"
    BAR = "bar"
    DEEP = "deep"

    def draft_limit(self) -> Draft:
        metres = {PilotClass.HARBOUR: 2, PilotClass.BAR: 4, PilotClass.DEEP: 9}[self]
        return Draft.of_metres(metres)


@dataclass(frozen=True, slots=True)
class Pilot(HarborRow):
    """A pilot with the jobs of the running duty."""

    pilot_id: str
    pilot_class: PilotClass
    on_duty: bool = False
    acts_on_duty: int = 0
    rests_until: TideStamp = TideStamp(0)

    def may_bring(self, draft: Draft) -> bool:
        return not draft.is_over(self.pilot_class.draft_limit())


class PilotRepo(TideRepo[Pilot]):
    """Pilots by their badge."""

    table = "pilotage_pilot"
    key_column = "pilot_id"

    def fetch_on_duty(self) -> list[Pilot]:
        """Pilots on duty, the least busy first."""
        return sorted(self.fetch_all_by(on_duty=True), key=lambda pilot: pilot.acts_on_duty)


@harbor_service("pilotage.pilot")
class PilotService:
    """Puts pilots on and off duty."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = PilotRepo(ctx)

    def go_on_duty(self, pilot_id: str) -> Outcome[Pilot]:
        """Start a duty after enough rest.

        Fails with NOT_ON_FILE, WRONG_STATE, PILOT_RESTING.
        """
        require_grant(self.ctx, "pilotage.pilot.go_on_duty")
        require_slot(self.ctx, "pilot_id", pilot_id)
        with trace_span("harbor.pilotage.pilot.go_on_duty", self.ctx) as span:
            pilot = self.repo.fetch_one_by("pilot_id", pilot_id)
            if pilot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"pilot {pilot_id} is not on file")
            if pilot.on_duty:
                return Outcome.fail(ErrCode.WRONG_STATE, f"pilot {pilot_id} is on duty already")
            now = self.ctx.clock.now_stamp()
            if now < pilot.rests_until:
                return Outcome.fail(
                    ErrCode.PILOT_RESTING,
                    f"pilot {pilot_id} rests until {pilot.rests_until.label()}",
                )
            pilot = self.repo.save_row(pilot.with_changes(on_duty=True, acts_on_duty=0))
            self.ctx.ledger.post_event("pilotage.pilot.on_duty", pilot_id=pilot_id)
            span.note("pilot_id", pilot_id)
            return Outcome.ok(pilot)

    def count_act(self, pilot_id: str, draft: Draft) -> Outcome[Pilot]:
        """Count one act of pilotage and check the class and the act limit.

        Fails with NOT_ON_FILE, PILOT_RESTING, DRAFT_TOO_DEEP.
        """
        require_grant(self.ctx, "pilotage.pilot.count_act")
        require_slot(self.ctx, "pilot_id", pilot_id)
        require_positive(self.ctx, "draft", draft.cm)
        with trace_span("harbor.pilotage.pilot.count_act", self.ctx) as span:
            pilot = self.repo.fetch_one_by("pilot_id", pilot_id)
            if pilot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"pilot {pilot_id} is not on file")
            if not pilot.on_duty:
                return Outcome.fail(ErrCode.PILOT_RESTING, f"pilot {pilot_id} is off duty")
            if not pilot.may_bring(draft):
                return Outcome.fail(
                    ErrCode.DRAFT_TOO_DEEP,
                    f"pilot {pilot_id} is of class {pilot.pilot_class.value}",
                )
            act_limit = self.ctx.knob("pilotage.pilot.act_limit", default=5)
            if pilot.acts_on_duty >= act_limit:
                return Outcome.fail(
                    ErrCode.PILOT_RESTING, f"pilot {pilot_id} has done {act_limit} acts"
                )
            pilot = self.repo.save_row(pilot.with_changes(acts_on_duty=pilot.acts_on_duty + 1))
            self.ctx.ledger.post_event(
                "pilotage.pilot.act_counted", pilot_id=pilot_id, acts=pilot.acts_on_duty
            )
            span.note("pilot_id", pilot_id)
            span.note("draft_cm", draft.cm)
            return Outcome.ok(pilot)

    def go_off_duty(self, pilot_id: str) -> Outcome[Pilot]:
        """End a duty; the rest grows with the acts.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "pilotage.pilot.go_off_duty")
        require_slot(self.ctx, "pilot_id", pilot_id)
        with trace_span("harbor.pilotage.pilot.go_off_duty", self.ctx) as span:
            pilot = self.repo.fetch_one_by("pilot_id", pilot_id)
            if pilot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"pilot {pilot_id} is not on file")
            if not pilot.on_duty:
                return Outcome.fail(ErrCode.WRONG_STATE, f"pilot {pilot_id} is off duty already")
            # Tide rule: eight hours of rest, and forty minutes more for each act.
            rest_minutes = 8 * MINUTES_PER_HOUR + 40 * pilot.acts_on_duty
            pilot = self.repo.save_row(
                pilot.with_changes(
                    on_duty=False, rests_until=self.ctx.clock.now_stamp().plus_minutes(rest_minutes)
                )
            )
            self.ctx.ledger.post_event(
                "pilotage.pilot.off_duty", pilot_id=pilot_id, rest_minutes=rest_minutes
            )
            span.note("pilot_id", pilot_id)
            span.note("rest_minutes", rest_minutes)
            return Outcome.ok(pilot)
