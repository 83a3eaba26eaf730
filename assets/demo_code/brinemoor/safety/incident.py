"""Incidents: what went wrong, how badly, and which measures are still open."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


class Severity(Enum):
    """From a near miss to an injury with lost days."""

    NEAR_MISS = "near_miss"
    MINOR = "minor"
    LOST_DAYS = "lost_days"


@dataclass(frozen=True, slots=True)
class Incident(HarborRow):
    """One incident with its measures."""

    incident_no: str
    place: str
    severity: Severity
    happened_at: TideStamp
    open_measures: tuple[str, ...] = ()
    closed: bool = False

    def must_be_reported(self) -> bool:
        return self.severity is Severity.LOST_DAYS


class IncidentRepo(TideRepo[Incident]):
    """Incidents by number."""

    table = "safety_incident"
    key_column = "incident_no"

    def fetch_recent_at(self, place: str, since: TideStamp) -> list[Incident]:
        return [row for row in self.fetch_all_by(place=place) if row.happened_at >= since]


@harbor_service("safety.incident")
class IncidentService:
    """Files incidents and follows their measures."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = IncidentRepo(ctx)

    def report(self, place: str, severity: Severity) -> Outcome[Incident]:
        """File an incident; the third one at a place in a month gets graver."""
        require_grant(self.ctx, "safety.incident.report")
        require_slot(self.ctx, "place", place)
        with trace_span("harbor.safety.incident.report", self.ctx) as span:
            now = self.ctx.clock.now_stamp()
            recent = self.repo.fetch_recent_at(place, now.plus_days(-30))
            if severity is Severity.NEAR_MISS and len(recent) >= 2:
                severity = Severity.MINOR
            incident_no = self.ctx.next_serial("INC")
            incident = self.repo.insert_row(
                Incident(incident_no=incident_no, place=place, severity=severity, happened_at=now)
            )
            self.ctx.ledger.post_event(
                "safety.incident.reported", incident_no=incident_no, severity=severity.value
            )
            span.note("incident_no", incident_no)
            span.note("place", place)
            return Outcome.ok(incident)

    def add_measure(self, incident_no: str, measure: str) -> Outcome[Incident]:
        """Add a measure that somebody has to take.

        Fails with NOT_ON_FILE, ROW_LOCKED, ALREADY_ON_FILE.
        """
        require_grant(self.ctx, "safety.incident.add_measure")
        require_slot(self.ctx, "incident_no", incident_no)
        require_slot(self.ctx, "measure", measure)
        with trace_span("harbor.safety.incident.add_measure", self.ctx) as span:
            incident = self.repo.fetch_one_by("incident_no", incident_no)
            if incident is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"incident {incident_no} is not on file")
            if incident.closed:
                return Outcome.fail(ErrCode.ROW_LOCKED, f"incident {incident_no} is closed")
            if measure in incident.open_measures:
                return Outcome.fail(ErrCode.ALREADY_ON_FILE, f"measure {measure} is open already")
            incident = self.repo.save_row(
                incident.with_changes(open_measures=(*incident.open_measures, measure))
            )
            self.ctx.ledger.post_event(
                "safety.incident.measure_added", incident_no=incident_no, measure=measure
            )
            span.note("incident_no", incident_no)
            span.note("measure", measure)
            return Outcome.ok(incident)

    def finish_measure(self, incident_no: str, measure: str) -> Outcome[Incident]:
        """Tick a measure off; the last one closes the incident.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "safety.incident.finish_measure")
        require_slot(self.ctx, "incident_no", incident_no)
        require_slot(self.ctx, "measure", measure)
        with trace_span("harbor.safety.incident.finish_measure", self.ctx) as span:
            incident = self.repo.fetch_one_by("incident_no", incident_no)
            if incident is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"incident {incident_no} is not on file")
            if measure not in incident.open_measures:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"measure {measure} is not open")
            left = tuple(other for other in incident.open_measures if other != measure)
            incident = self.repo.save_row(
                incident.with_changes(open_measures=left, closed=not left)
            )
            self.ctx.ledger.post_event(
                "safety.incident.measure_finished", incident_no=incident_no, left=len(left)
            )
            span.note("incident_no", incident_no)
            span.note("left", len(left))
            return Outcome.ok(incident)
