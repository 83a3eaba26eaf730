"""The event ledger. Whatever changes on the quay is posted here once and never edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from brinemoor.kernel.tidetime import TideClock, TideStamp


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One posted event. ``facts`` are plain values, not rows."""

    serial: int
    name: str
    posted_at: TideStamp
    facts: dict[str, Any]


class HarborLedger:
    """Append-only list of events; names read ``<package>.<entity>.<what happened>``."""

    def __init__(self, clock: TideClock) -> None:
        self._clock = clock
        self._events: list[LedgerEvent] = []

    def post_event(self, name: str, **facts: Any) -> LedgerEvent:
        """Post ``name`` with its facts at the current stamp."""
        if name.count(".") < 2:
            raise ValueError(f"event name {name!r} lacks package, entity or verb")
        event = LedgerEvent(len(self._events) + 1, name, self._clock.now_stamp(), facts)
        self._events.append(event)
        return event

    def events_named(self, name: str) -> list[LedgerEvent]:
        return [event for event in self._events if event.name == name]

    def events_since(self, stamp: TideStamp) -> list[LedgerEvent]:
        return [event for event in self._events if event.posted_at >= stamp]

    def last_event(self) -> LedgerEvent | None:
        return self._events[-1] if self._events else None

    def __len__(self) -> int:
        return len(self._events)
