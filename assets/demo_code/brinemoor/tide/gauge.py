"""Tide gauges: the water level at the piers, as the sensors report it."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import MINUTES_PER_HOUR, TideStamp
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class GaugeReading(HarborRow):
    """One level that one gauge has reported."""

    reading_id: str
    gauge_code: str
    read_at: TideStamp
    level: Draft


class GaugeReadingRepo(TideRepo[GaugeReading]):
    """Readings in the order in which they came in."""

    table = "tide_gauge_reading"
    key_column = "reading_id"

    def fetch_latest(self, gauge_code: str) -> GaugeReading | None:
        """The newest reading of a gauge, or nothing when it has never spoken."""
        readings = self.fetch_all_by(gauge_code=gauge_code)
        return max(readings, key=lambda reading: reading.read_at, default=None)


@harbor_service("tide.gauge")
class GaugeReadingService:
    """Takes readings and answers for the water level of the port."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = GaugeReadingRepo(ctx)

    def record(self, gauge_code: str, level: Draft) -> Outcome[GaugeReading]:
        """Take one reading; a jump beyond belief is refused.

        Fails with GAUGE_SILENT.
        """
        require_grant(self.ctx, "tide.gauge.record")
        require_slot(self.ctx, "gauge_code", gauge_code)
        with trace_span("harbor.tide.gauge.record", self.ctx) as span:
            latest = self.repo.fetch_latest(gauge_code)
            jump_limit = self.ctx.knob("tide.gauge.jump_cm", default=80)
            if latest is not None and abs(level.cm - latest.level.cm) > jump_limit:
                return Outcome.fail(
                    ErrCode.GAUGE_SILENT, f"gauge {gauge_code} jumped to {level.label()}"
                )
            reading_id = self.ctx.next_serial("RDG")
            reading = self.repo.insert_row(
                GaugeReading(
                    reading_id=reading_id,
                    gauge_code=gauge_code,
                    read_at=self.ctx.clock.now_stamp(),
                    level=level,
                )
            )
            self.ctx.ledger.post_event(
                "tide.gauge.recorded", gauge_code=gauge_code, level_cm=level.cm
            )
            span.note("gauge_code", gauge_code)
            return Outcome.ok(reading)

    def level_now(self, gauge_code: str) -> Outcome[Draft]:
        """The level right now; a stale gauge counts as silent.

        Fails with GAUGE_SILENT.
        """
        require_grant(self.ctx, "tide.gauge.level_now")
        require_slot(self.ctx, "gauge_code", gauge_code)
        with trace_span("harbor.tide.gauge.level_now", self.ctx) as span:
            latest = self.repo.fetch_latest(gauge_code)
            stale_minutes = self.ctx.knob("tide.gauge.stale_minutes", default=45)
            now = self.ctx.clock.now_stamp()
            if latest is None or latest.read_at.minutes_until(now) > stale_minutes:
                return Outcome.fail(ErrCode.GAUGE_SILENT, f"gauge {gauge_code} is silent")
            span.note("gauge_code", gauge_code)
            span.note("level_cm", latest.level.cm)
            return Outcome.ok(latest.level)

    def rise_per_hour(self, gauge_code: str) -> Outcome[int]:
        """Centimetres that the water rises in an hour; negative on the ebb.

        Fails with GAUGE_SILENT.
        """
        require_grant(self.ctx, "tide.gauge.rise_per_hour")
        require_slot(self.ctx, "gauge_code", gauge_code)
        with trace_span("harbor.tide.gauge.rise_per_hour", self.ctx) as span:
            readings = sorted(
                self.repo.fetch_all_by(gauge_code=gauge_code), key=lambda row: row.read_at
            )
            if len(readings) < 2:
                return Outcome.fail(
                    ErrCode.GAUGE_SILENT, f"gauge {gauge_code} has too few readings"
                )
            before, latest = readings[-2:]
            minutes = max(1, before.read_at.minutes_until(latest.read_at))
            rise = (latest.level.cm - before.level.cm) * MINUTES_PER_HOUR // minutes
            span.note("gauge_code", gauge_code)
            span.note("rise", rise)
            return Outcome.ok(rise)
