"""Crew hands: who sails on which hull, and whether a hull is manned well enough to leave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.fleet.hull import HullKind, HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import MINUTES_PER_HOUR, TideStamp
from brinemoor.kernel.trace import trace_span


class CrewRank(Enum):
    """Ranks on deck. A skipper may stand in for a mate, not the other way round."""

    SKIPPER = "skipper"
    MATE = "mate"
    HAND = "hand"


@dataclass(frozen=True, slots=True)
class CrewHand(HarborRow):
    """A member of a crew."""

    hand_id: str
    rank: CrewRank
    hull_no: str = ""
    rested_from: TideStamp = TideStamp(0)
    hours_this_week: int = 0

    def is_ashore(self) -> bool:
        return self.hull_no == ""


class CrewHandRepo(TideRepo[CrewHand]):
    """Crew hands by their badge."""

    table = "fleet_crew_hand"
    key_column = "hand_id"

    def fetch_aboard(self, hull_no: str) -> list[CrewHand]:
        """Everyone aboard one hull, in badge order."""
        return self.fetch_all_by(hull_no=hull_no)


@harbor_service("fleet.crew")
class CrewHandService:
    """Signs crew hands on and off."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = CrewHandRepo(ctx)
        self.hulls = HullRepo(ctx)

    def sign_on(self, hand_id: str, hull_no: str) -> Outcome[CrewHand]:
        """Put a rested hand on a hull.

        Fails with NOT_ON_FILE, WRONG_STATE, CREW_SHORT.
        """
        require_grant(self.ctx, "fleet.crew.sign_on")
        require_slot(self.ctx, "hand_id", hand_id)
        require_slot(self.ctx, "hull_no", hull_no)
        with trace_span("harbor.fleet.crew.sign_on", self.ctx) as span:
            hand = self.repo.fetch_one_by("hand_id", hand_id)
            if hand is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hand {hand_id} is not on file")
            hull = self.hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            if not hand.is_ashore():
                return Outcome.fail(ErrCode.WRONG_STATE, f"hand {hand_id} sails on {hand.hull_no}")
            if self.ctx.clock.now_stamp() < hand.rested_from:
                return Outcome.fail(
                    ErrCode.CREW_SHORT, f"hand {hand_id} rests until {hand.rested_from.label()}"
                )
            hour_limit = self.ctx.knob("fleet.crew.week_hours", default=60)
            if hand.hours_this_week >= hour_limit:
                return Outcome.fail(
                    ErrCode.CREW_SHORT, f"hand {hand_id} has {hand.hours_this_week} hours"
                )
            hand = self.repo.save_row(hand.with_changes(hull_no=hull.hull_no))
            self.ctx.ledger.post_event("fleet.crew.signed_on", hand_id=hand_id, hull_no=hull_no)
            span.note("hand_id", hand_id)
            span.note("hull_no", hull_no)
            return Outcome.ok(hand)

    def sign_off(self, hand_id: str, hours_worked: int) -> Outcome[CrewHand]:
        """Take a hand ashore and start the rest period.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "fleet.crew.sign_off")
        require_slot(self.ctx, "hand_id", hand_id)
        require_positive(self.ctx, "hours_worked", hours_worked)
        with trace_span("harbor.fleet.crew.sign_off", self.ctx) as span:
            hand = self.repo.fetch_one_by("hand_id", hand_id)
            if hand is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hand {hand_id} is not on file")
            if hand.is_ashore():
                return Outcome.fail(ErrCode.WRONG_STATE, f"hand {hand_id} is ashore already")
            # Tide rule: half an hour of rest for each hour worked, but never less than six hours.
            rest_minutes = max(6 * MINUTES_PER_HOUR, hours_worked * 30)
            rested_from = self.ctx.clock.now_stamp().plus_minutes(rest_minutes)
            hand = self.repo.save_row(
                hand.with_changes(
                    hull_no="",
                    rested_from=rested_from,
                    hours_this_week=hand.hours_this_week + hours_worked,
                )
            )
            self.ctx.ledger.post_event(
                "fleet.crew.signed_off", hand_id=hand_id, rest_minutes=rest_minutes
            )
            span.note("hand_id", hand_id)
            span.note("rest_minutes", rest_minutes)
            return Outcome.ok(hand)

    def confirm_manning(self, hull_no: str) -> Outcome[int]:
        """Count the hands aboard and check them against the manning table.

        Fails with NOT_ON_FILE, CREW_SHORT.
        """
        require_grant(self.ctx, "fleet.crew.confirm_manning")
        require_slot(self.ctx, "hull_no", hull_no)
        with trace_span("harbor.fleet.crew.confirm_manning", self.ctx) as span:
            hull = self.hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            aboard = self.repo.fetch_aboard(hull_no)
            skippers = [hand for hand in aboard if hand.rank is CrewRank.SKIPPER]
            if not skippers:
                return Outcome.fail(ErrCode.CREW_SHORT, f"hull {hull_no} has no skipper aboard")
            wanted = 4 if hull.kind is HullKind.BARGE else 2
            if len(aboard) < wanted:
                return Outcome.fail(
                    ErrCode.CREW_SHORT, f"hull {hull_no} has {len(aboard)} of {wanted} hands"
                )
            span.note("hull_no", hull_no)
            span.note("wanted", wanted)
            return Outcome.ok(len(aboard))
