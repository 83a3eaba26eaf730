"""Boardings: a pilot goes out, boards a hull at the buoy and brings it over the bar."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span
from brinemoor.pilotage.licence import LicenceService
from brinemoor.pilotage.pilot import PilotService


class BoardingState(Enum):
    """The steps of one boarding."""

    ORDERED = "ordered"
    ABOARD = "aboard"
    LANDED = "landed"


@dataclass(frozen=True, slots=True)
class Boarding(HarborRow):
    """One act of pilotage."""

    boarding_no: str
    hull_no: str
    pilot_id: str
    water_code: str
    ordered_at: TideStamp
    state: BoardingState = BoardingState.ORDERED
    swell_cm: int = 0


class BoardingRepo(TideRepo[Boarding]):
    """Boardings by number."""

    table = "pilotage_boarding"
    key_column = "boarding_no"

    def fetch_running_for(self, pilot_id: str) -> list[Boarding]:
        running = self.fetch_all_by(pilot_id=pilot_id)
        return [boarding for boarding in running if boarding.state is not BoardingState.LANDED]


@harbor_service("pilotage.boarding")
class BoardingService:
    """Orders boardings and follows them to the quay."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = BoardingRepo(ctx)
        self.hulls = HullRepo(ctx)
        self.pilots = PilotService(ctx)
        self.licences = LicenceService(ctx)

    def order(self, hull_no: str, pilot_id: str, water_code: str) -> Outcome[Boarding]:
        """Order a pilot who is free and may bring this draft.

        Fails with NOT_ON_FILE, ROSTER_CLASH.
        """
        require_grant(self.ctx, "pilotage.boarding.order")
        require_slot(self.ctx, "hull_no", hull_no)
        require_slot(self.ctx, "pilot_id", pilot_id)
        require_slot(self.ctx, "water_code", water_code)
        with trace_span("harbor.pilotage.boarding.order", self.ctx) as span:
            hull = self.hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            running = self.repo.fetch_running_for(pilot_id)
            if running:
                return Outcome.fail(
                    ErrCode.ROSTER_CLASH, f"pilot {pilot_id} is out on {running[0].boarding_no}"
                )
            counted = self.pilots.count_act(pilot_id, hull.draft)
            if not counted.is_ok:
                return counted.carry_failure()
            boarding_no = self.ctx.next_serial("BRD")
            boarding = self.repo.insert_row(
                Boarding(
                    boarding_no=boarding_no,
                    hull_no=hull_no,
                    pilot_id=pilot_id,
                    water_code=water_code,
                    ordered_at=self.ctx.clock.now_stamp(),
                )
            )
            self.ctx.ledger.post_event(
                "pilotage.boarding.ordered",
                boarding_no=boarding_no,
                pilot_id=pilot_id,
                hull_no=hull_no,
            )
            span.note("boarding_no", boarding_no)
            span.note("pilot_id", pilot_id)
            return Outcome.ok(boarding)

    def climb_aboard(self, boarding_no: str, swell_cm: int) -> Outcome[Boarding]:
        """The pilot is aboard; in a high swell nobody climbs a ladder.

        Fails with NOT_ON_FILE, WRONG_STATE, SURGE_WARNING.
        """
        require_grant(self.ctx, "pilotage.boarding.climb_aboard")
        require_slot(self.ctx, "boarding_no", boarding_no)
        with trace_span("harbor.pilotage.boarding.climb_aboard", self.ctx) as span:
            boarding = self.repo.fetch_one_by("boarding_no", boarding_no)
            if boarding is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"boarding {boarding_no} is not on file")
            if boarding.state is not BoardingState.ORDERED:
                return Outcome.fail(
                    ErrCode.WRONG_STATE, f"boarding {boarding_no} is {boarding.state.value}"
                )
            swell_limit = self.ctx.knob("pilotage.boarding.swell_cm", default=180)
            if swell_cm > swell_limit:
                return Outcome.fail(
                    ErrCode.SURGE_WARNING, f"swell of {swell_cm} cm is above {swell_limit} cm"
                )
            boarding = self.repo.save_row(
                boarding.with_changes(state=BoardingState.ABOARD, swell_cm=swell_cm)
            )
            self.ctx.ledger.post_event(
                "pilotage.boarding.aboard", boarding_no=boarding_no, swell_cm=swell_cm
            )
            span.note("boarding_no", boarding_no)
            span.note("swell_cm", swell_cm)
            return Outcome.ok(boarding)

    def land_pilot(self, boarding_no: str) -> Outcome[int]:
        """The pilot is back ashore; gives the minutes of the whole act.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "pilotage.boarding.land_pilot")
        require_slot(self.ctx, "boarding_no", boarding_no)
        with trace_span("harbor.pilotage.boarding.land_pilot", self.ctx) as span:
            boarding = self.repo.fetch_one_by("boarding_no", boarding_no)
            if boarding is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"boarding {boarding_no} is not on file")
            if boarding.state is not BoardingState.ABOARD:
                return Outcome.fail(
                    ErrCode.WRONG_STATE, f"boarding {boarding_no} is {boarding.state.value}"
                )
            trip = self.licences.count_trip(boarding.pilot_id, boarding.water_code)
            if not trip.is_ok:
                return trip.carry_failure()
            boarding = self.repo.save_row(boarding.with_changes(state=BoardingState.LANDED))
            minutes = boarding.ordered_at.minutes_until(self.ctx.clock.now_stamp())
            self.ctx.ledger.post_event(
                "pilotage.boarding.landed", boarding_no=boarding_no, minutes=minutes
            )
            span.note("boarding_no", boarding_no)
            span.note("minutes", minutes)
            return Outcome.ok(minutes)
