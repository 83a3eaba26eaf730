"""Temperature probes: readings from the chambers, and the minutes a chamber was too warm."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.coldhold.chamber import ChamberService, ChamberState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Chill
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import MINUTES_PER_HOUR, TideStamp
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class ProbeReading(HarborRow):
    """One temperature that a probe has sent."""

    probe_id: str
    chamber_id: str
    read_at: TideStamp
    chill: Chill


class ProbeReadingRepo(TideRepo[ProbeReading]):
    """Readings by number."""

    table = "coldhold_probe_reading"
    key_column = "probe_id"

    def fetch_since(self, chamber_id: str, stamp: TideStamp) -> list[ProbeReading]:
        """Readings of a chamber from ``stamp`` on, oldest first."""
        readings = [row for row in self.fetch_all_by(chamber_id=chamber_id) if row.read_at >= stamp]
        return sorted(readings, key=lambda row: row.read_at)


@harbor_service("coldhold.probe")
class ProbeReadingService:
    """Takes probe readings and judges them."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = ProbeReadingRepo(ctx)
        self.chambers = ChamberService(ctx)

    def take_reading(self, chamber_id: str, chill: Chill) -> Outcome[ProbeReading]:
        """Take a reading; a chamber far above its set point is marked as warming.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "coldhold.probe.take_reading")
        require_slot(self.ctx, "chamber_id", chamber_id)
        with trace_span("harbor.coldhold.probe.take_reading", self.ctx) as span:
            chamber = self.chambers.repo.fetch_one_by("chamber_id", chamber_id)
            if chamber is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"chamber {chamber_id} is not on file")
            probe_id = self.ctx.next_serial("PRB")
            reading = self.repo.insert_row(
                ProbeReading(
                    probe_id=probe_id,
                    chamber_id=chamber_id,
                    read_at=self.ctx.clock.now_stamp(),
                    chill=chill,
                )
            )
            slack = self.ctx.knob("coldhold.probe.slack_decideg", default=20)
            if (
                chill.warmer_than(chamber.set_point.offset_by(slack))
                and chamber.state is ChamberState.COLD
            ):
                switched = self.chambers.switch_state(chamber_id, ChamberState.WARMING)
                if not switched.is_ok:
                    return switched.carry_failure()
            self.ctx.ledger.post_event(
                "coldhold.probe.taken", chamber_id=chamber_id, decideg=chill.decideg
            )
            span.note("chamber_id", chamber_id)
            span.note("decideg", chill.decideg)
            return Outcome.ok(reading)

    def warm_minutes(self, chamber_id: str, since: TideStamp) -> Outcome[int]:
        """Minutes since ``since`` during which the chamber was above its set point.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "coldhold.probe.warm_minutes")
        require_slot(self.ctx, "chamber_id", chamber_id)
        with trace_span("harbor.coldhold.probe.warm_minutes", self.ctx) as span:
            chamber = self.chambers.repo.fetch_one_by("chamber_id", chamber_id)
            if chamber is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"chamber {chamber_id} is not on file")
            readings = self.repo.fetch_since(chamber_id, since)
            minutes = 0
            # Quay note: a reading counts until the next one, the last one until now.
            ends = [row.read_at for row in readings[1:]] + [self.ctx.clock.now_stamp()]
            for reading, end in zip(readings, ends, strict=True):
                if reading.chill.warmer_than(chamber.set_point):
                    minutes += reading.read_at.minutes_until(end)
            span.note("chamber_id", chamber_id)
            span.note("minutes", minutes)
            return Outcome.ok(minutes)

    def mean_chill(self, chamber_id: str, hours: int) -> Outcome[Chill]:
        """The mean temperature over the last hours.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "coldhold.probe.mean_chill")
        require_slot(self.ctx, "chamber_id", chamber_id)
        require_positive(self.ctx, "hours", hours)
        with trace_span("harbor.coldhold.probe.mean_chill", self.ctx) as span:
            since = self.ctx.clock.now_stamp().plus_minutes(-hours * MINUTES_PER_HOUR)
            readings = self.repo.fetch_since(chamber_id, since)
            if not readings:
                return Outcome.fail(
                    ErrCode.NOT_ON_FILE, f"chamber {chamber_id} sent nothing for {hours} hours"
                )
            mean = Chill.of_decideg(sum(row.chill.decideg for row in readings) // len(readings))
            span.note("chamber_id", chamber_id)
            span.note("readings", len(readings))
            return Outcome.ok(mean)
