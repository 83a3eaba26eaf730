"""Pilot licences: granted for one water, renewed by trips, lapsed when the trips are missing."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideSpan, TideStamp
from brinemoor.kernel.trace import trace_span
from brinemoor.pilotage.pilot import PilotRepo


@dataclass(frozen=True, slots=True)
class Licence(HarborRow):
    """A licence of one pilot for one water."""

    licence_no: str
    pilot_id: str
    water_code: str
    valid: TideSpan
    trips: int = 0
    revoked: bool = False

    def is_valid_at(self, stamp: TideStamp) -> bool:
        return not self.revoked and self.valid.covers(stamp)


class LicenceRepo(TideRepo[Licence]):
    """Licences by number."""

    table = "pilotage_licence"
    key_column = "licence_no"

    def fetch_valid(self, pilot_id: str, water_code: str, stamp: TideStamp) -> Licence | None:
        held = self.fetch_all_by(pilot_id=pilot_id, water_code=water_code)
        return next((licence for licence in held if licence.is_valid_at(stamp)), None)


@harbor_service("pilotage.licence")
class LicenceService:
    """Grants, renews and revokes licences."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = LicenceRepo(ctx)
        self.pilots = PilotRepo(ctx)

    def grant(self, pilot_id: str, water_code: str, days: int) -> Outcome[Licence]:
        """Grant a licence for a water from now on.

        Fails with NOT_ON_FILE, ALREADY_ON_FILE.
        """
        require_grant(self.ctx, "pilotage.licence.grant")
        require_slot(self.ctx, "pilot_id", pilot_id)
        require_slot(self.ctx, "water_code", water_code)
        require_positive(self.ctx, "days", days)
        with trace_span("harbor.pilotage.licence.grant", self.ctx) as span:
            pilot = self.pilots.fetch_one_by("pilot_id", pilot_id)
            if pilot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"pilot {pilot_id} is not on file")
            now = self.ctx.clock.now_stamp()
            held = self.repo.fetch_valid(pilot.pilot_id, water_code, now)
            if held is not None:
                return Outcome.fail(
                    ErrCode.ALREADY_ON_FILE, f"pilot {pilot_id} holds {held.licence_no}"
                )
            licence_no = self.ctx.next_serial("LIC")
            valid = TideSpan(now, now.plus_days(days))
            licence = self.repo.insert_row(
                Licence(
                    licence_no=licence_no, pilot_id=pilot_id, water_code=water_code, valid=valid
                )
            )
            self.ctx.ledger.post_event(
                "pilotage.licence.granted", licence_no=licence_no, pilot_id=pilot_id
            )
            span.note("licence_no", licence_no)
            span.note("pilot_id", pilot_id)
            return Outcome.ok(licence)

    def count_trip(self, pilot_id: str, water_code: str) -> Outcome[Licence]:
        """Count a trip on the licence for a water.

        Fails with LICENCE_LAPSED.
        """
        require_grant(self.ctx, "pilotage.licence.count_trip")
        require_slot(self.ctx, "pilot_id", pilot_id)
        require_slot(self.ctx, "water_code", water_code)
        with trace_span("harbor.pilotage.licence.count_trip", self.ctx) as span:
            licence = self.repo.fetch_valid(pilot_id, water_code, self.ctx.clock.now_stamp())
            if licence is None:
                return Outcome.fail(
                    ErrCode.LICENCE_LAPSED, f"pilot {pilot_id} has no licence for {water_code}"
                )
            licence = self.repo.save_row(licence.with_changes(trips=licence.trips + 1))
            self.ctx.ledger.post_event(
                "pilotage.licence.trip_counted", licence_no=licence.licence_no, trips=licence.trips
            )
            span.note("licence_no", licence.licence_no)
            span.note("water_code", water_code)
            return Outcome.ok(licence)

    def renew(self, licence_no: str, days: int) -> Outcome[Licence]:
        """Renew a licence that has seen enough trips; the count starts again.

        Fails with NOT_ON_FILE, LICENCE_LAPSED.
        """
        require_grant(self.ctx, "pilotage.licence.renew")
        require_slot(self.ctx, "licence_no", licence_no)
        require_positive(self.ctx, "days", days)
        with trace_span("harbor.pilotage.licence.renew", self.ctx) as span:
            licence = self.repo.fetch_one_by("licence_no", licence_no)
            if licence is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"licence {licence_no} is not on file")
            if licence.revoked:
                return Outcome.fail(ErrCode.LICENCE_LAPSED, f"licence {licence_no} is revoked")
            wanted = self.ctx.knob("pilotage.licence.trips_wanted", default=12)
            if licence.trips < wanted:
                return Outcome.fail(
                    ErrCode.LICENCE_LAPSED,
                    f"licence {licence_no} has {licence.trips} of {wanted} trips",
                )
            valid = TideSpan(licence.valid.opens, licence.valid.closes.plus_days(days))
            licence = self.repo.save_row(licence.with_changes(valid=valid, trips=0))
            self.ctx.ledger.post_event("pilotage.licence.renewed", licence_no=licence_no, days=days)
            span.note("licence_no", licence_no)
            span.note("days", days)
            return Outcome.ok(licence)
