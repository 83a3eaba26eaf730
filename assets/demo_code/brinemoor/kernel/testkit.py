"""Test helpers of the house. Tests build a context here and never by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from brinemoor.kernel.context import ALL_GRANTS, BerthContext, QuayStore
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import GuardBreach
from brinemoor.kernel.ledger import HarborLedger
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideClock, TideSpan, TideStamp
from brinemoor.kernel.trace import spans_named

T = TypeVar("T")
RowT = TypeVar("RowT", bound=HarborRow)
FIRST_DAY = 100


def make_ctx(grants: list[str] | None = None, **knobs: int) -> BerthContext:
    """A context at day 100, 06:00, with all grants unless some are named."""
    clock = TideClock(stamp_at(hour=6))
    held = frozenset([ALL_GRANTS] if grants is None else grants)
    return BerthContext(
        port_code="BRM",
        actor="test-hand",
        clock=clock,
        ledger=HarborLedger(clock),
        store=QuayStore(),
        grants=held,
        knobs={name.replace("__", "."): value for name, value in knobs.items()},
    )


def stamp_at(hour: int = 0, minute: int = 0, day: int = 0) -> TideStamp:
    """A stamp relative to the first test day."""
    return TideStamp.of_day(FIRST_DAY + day, hour, minute)


def span_at(hour: int, minutes: int, day: int = 0) -> TideSpan:
    """A span that opens on the hour of a test day."""
    return TideSpan.starting_at(stamp_at(hour=hour, day=day), minutes)


def seed_row(ctx: BerthContext, repo_type: type[TideRepo[RowT]], row: RowT) -> RowT:
    """Put a row on file without going through a service."""
    return repo_type(ctx).save_row(row)


def assert_outcome_ok(outcome: Outcome[T]) -> T:
    assert outcome.is_ok, f"failed with {outcome.code}: {outcome.detail}"
    return outcome.unwrap()


def assert_outcome_fail(outcome: Outcome[Any], code: ErrCode) -> str:
    assert outcome.code is code, f"wanted {code}, got {outcome.code}: {outcome.detail}"
    return outcome.detail


def assert_event_posted(ctx: BerthContext, name: str, **facts: Any) -> None:
    """At least one event of ``name`` must carry all the given facts."""
    events = ctx.ledger.events_named(name)
    assert events, f"no event {name} was posted"
    assert any(facts.items() <= event.facts.items() for event in events), f"{name}: {events}"


def assert_span_noted(ctx: BerthContext, name: str, key: str, value: Any) -> None:
    records = spans_named(ctx, name)
    assert records, f"no span {name} was opened"
    assert records[-1].notes.get(key) == value, f"{name} noted {records[-1].notes}"


@contextmanager
def assert_guard_breach(code: ErrCode) -> Iterator[None]:
    """The block must break a guard with ``code``."""
    try:
        yield
    except GuardBreach as breach:
        assert breach.code is code, f"wanted {code}, got {breach.code}"
        return
    raise AssertionError(f"no guard breach, wanted {code}")
