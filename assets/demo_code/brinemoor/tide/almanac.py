"""The almanac: two high waters a day, computed from the moon day of the port."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import MINUTES_PER_HOUR, TideSpan, TideStamp
from brinemoor.kernel.trace import trace_span
from brinemoor.tide.window import TideWindowService

MOON_LAG_MINUTES = 50
SPRING_NEAP_DAYS = 15


@dataclass(frozen=True, slots=True)
class HighWater(HarborRow):
    """One computed high water."""

    high_id: str
    peaks_at: TideStamp
    height: Draft
    is_spring: bool = False

    def window_span(self, minutes: int) -> TideSpan:
        """The window around the peak, half before it and half after it."""
        return TideSpan.starting_at(self.peaks_at.plus_minutes(-minutes // 2), minutes)


class HighWaterRepo(TideRepo[HighWater]):
    """High waters by number."""

    table = "tide_high_water"
    key_column = "high_id"


@harbor_service("tide.almanac")
class HighWaterService:
    """Computes high waters and turns them into windows."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = HighWaterRepo(ctx)
        self.windows = TideWindowService(ctx)

    def compute_day(self, day: int, base: Draft) -> Outcome[list[HighWater]]:
        """Compute both high waters of one day."""
        require_grant(self.ctx, "tide.almanac.compute_day")
        require_positive(self.ctx, "day", day)
        require_positive(self.ctx, "base", base.cm)
        with trace_span("harbor.tide.almanac.compute_day", self.ctx) as span:
            lag = day * MOON_LAG_MINUTES % (12 * MINUTES_PER_HOUR)
            moon_day = day % SPRING_NEAP_DAYS
            # Quay note: springs come with the first two days of a half moon, neaps in its middle.
            swing_cm = 40 - 8 * min(moon_day, SPRING_NEAP_DAYS - moon_day)
            highs = []
            for half in range(2):
                high_id = self.ctx.next_serial("HW")
                peaks_at = TideStamp.of_day(day, 12 * half).plus_minutes(lag)
                high = HighWater(
                    high_id, peaks_at, base.deeper_by(swing_cm), is_spring=moon_day < 2
                )
                highs.append(self.repo.insert_row(high))
            self.ctx.ledger.post_event("tide.almanac.computed", day=day, highs=len(highs))
            span.note("day", day)
            return Outcome.ok(highs)

    def publish_windows(self, day: int) -> Outcome[int]:
        """Forecast a window around every high water of a day.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "tide.almanac.publish_windows")
        require_positive(self.ctx, "day", day)
        with trace_span("harbor.tide.almanac.publish_windows", self.ctx) as span:
            highs = [high for high in self.repo.fetch_all_by() if high.peaks_at.day == day]
            if not highs:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"day {day} is not computed")
            minutes = self.ctx.knob("tide.almanac.window_minutes", default=180)
            for high in highs:
                window = self.windows.forecast(high.window_span(minutes), high.height)
                if not window.is_ok:
                    return window.carry_failure()
            self.ctx.ledger.post_event("tide.almanac.published", day=day, windows=len(highs))
            span.note("day", day)
            return Outcome.ok(len(highs))
