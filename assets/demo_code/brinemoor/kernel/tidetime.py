"""House time: whole minutes since the harbour epoch, never ``datetime``.

Tide tables are published in minutes, so all stamps are minutes too.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTES_PER_HOUR = 60
MINUTES_PER_DAY = 24 * MINUTES_PER_HOUR


@dataclass(frozen=True, slots=True, order=True)
class TideStamp:
    """A point in time, in minutes since the harbour epoch."""

    minutes: int

    @classmethod
    def of_day(cls, day: int, hour: int = 0, minute: int = 0) -> TideStamp:
        return cls(day * MINUTES_PER_DAY + hour * MINUTES_PER_HOUR + minute)

    @property
    def day(self) -> int:
        return self.minutes // MINUTES_PER_DAY

    @property
    def minute_of_day(self) -> int:
        return self.minutes % MINUTES_PER_DAY

    def plus_minutes(self, minutes: int) -> TideStamp:
        return TideStamp(self.minutes + minutes)

    def plus_days(self, days: int) -> TideStamp:
        return TideStamp(self.minutes + days * MINUTES_PER_DAY)

    def minutes_until(self, later: TideStamp) -> int:
        """Positive when ``later`` lies ahead of this stamp."""
        return later.minutes - self.minutes

    def days_until(self, later: TideStamp) -> int:
        return later.day - self.day

    def label(self) -> str:
        hours, minutes = divmod(self.minute_of_day, MINUTES_PER_HOUR)
        return f"d{self.day:04d} {hours:02d}:{minutes:02d}"


@dataclass(frozen=True, slots=True)
class TideSpan:
    """A half-open stretch of time: ``opens`` is inside, ``closes`` is not."""

    opens: TideStamp
    closes: TideStamp

    @classmethod
    def starting_at(cls, opens: TideStamp, minutes: int) -> TideSpan:
        return cls(opens=opens, closes=opens.plus_minutes(minutes))

    def length_minutes(self) -> int:
        return self.opens.minutes_until(self.closes)

    def is_open_span(self) -> bool:
        return self.length_minutes() > 0

    def covers(self, stamp: TideStamp) -> bool:
        return self.opens <= stamp < self.closes

    def covers_span(self, other: TideSpan) -> bool:
        return self.opens <= other.opens and other.closes <= self.closes

    def overlaps(self, other: TideSpan) -> bool:
        return self.opens < other.closes and other.opens < self.closes

    def shifted_by(self, minutes: int) -> TideSpan:
        return TideSpan(self.opens.plus_minutes(minutes), self.closes.plus_minutes(minutes))

    def label(self) -> str:
        return f"{self.opens.label()} to {self.closes.label()}"


class TideClock:
    """The clock in the context. Tests move it by hand, production feeds it from the gauge."""

    def __init__(self, start: TideStamp) -> None:
        self._now = start

    def now_stamp(self) -> TideStamp:
        return self._now

    def advance_minutes(self, minutes: int) -> TideStamp:
        if minutes < 0:
            raise ValueError("the tide clock never runs backwards")
        self._now = self._now.plus_minutes(minutes)
        return self._now
