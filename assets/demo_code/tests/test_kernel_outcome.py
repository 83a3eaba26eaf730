"""Tests of the kernel: outcomes, guards, spans and the ledger."""

from __future__ import annotations

import pytest
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import (
    require_grant,
    require_open_span,
    require_port,
    require_positive,
    require_slot,
)
from brinemoor.kernel.outcome import Outcome, collect_outcomes
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_guard_breach,
    assert_outcome_fail,
    assert_outcome_ok,
    assert_span_noted,
    make_ctx,
    span_at,
    stamp_at,
)
from brinemoor.kernel.trace import spans_named, trace_span


def test_then_runs_on_success_only() -> None:
    doubled = Outcome.ok(4).then(lambda value: Outcome.ok(value * 2))
    assert assert_outcome_ok(doubled) == 8
    failed: Outcome[int] = Outcome.fail(ErrCode.TIDE_WINDOW, "too late")
    assert_outcome_fail(failed.then(lambda value: Outcome.ok(value * 2)), ErrCode.TIDE_WINDOW)
    assert failed.unwrap_or(7) == 7


def test_collect_stops_at_the_first_failure() -> None:
    assert assert_outcome_ok(collect_outcomes([Outcome.ok(1), Outcome.ok(2)])) == [1, 2]
    outcomes: list[Outcome[int]] = [Outcome.ok(1), Outcome.fail(ErrCode.TUG_BUSY, "no tug")]
    assert_outcome_fail(collect_outcomes(outcomes), ErrCode.TUG_BUSY)


def test_unwrap_of_a_failure_is_a_bug() -> None:
    with pytest.raises(ValueError, match="GATE_CLOSED"):
        Outcome.fail(ErrCode.GATE_CLOSED, "night").unwrap()


def test_guards_raise_with_their_code() -> None:
    ctx = make_ctx(grants=["berth.*"])
    require_grant(ctx, "berth.slip.assign")
    with assert_guard_breach(ErrCode.GRANT_MISSING):
        require_grant(ctx, "fleet.hull.enlist")
    with assert_guard_breach(ErrCode.SLOT_EMPTY):
        require_slot(ctx, "hull_no", "")
    with assert_guard_breach(ErrCode.NOT_POSITIVE):
        require_positive(ctx, "load", 0)
    with assert_guard_breach(ErrCode.SPAN_CLOSED):
        require_open_span(ctx, "stretch", span_at(6, minutes=0))
    with assert_guard_breach(ErrCode.PORT_MISMATCH):
        require_port(ctx, "ELSEWHERE")


def test_span_keeps_notes_and_names_what_broke_it() -> None:
    ctx = make_ctx()
    with trace_span("harbor.kernel.test.note", ctx) as span:
        span.note("slip_id", "Q1-01")
    assert_span_noted(ctx, "harbor.kernel.test.note", "slip_id", "Q1-01")
    with pytest.raises(KeyError), trace_span("harbor.kernel.test.note", ctx):
        raise KeyError("gone")
    assert spans_named(ctx, "harbor.kernel.test.note")[-1].broke_with == "KeyError"
    with pytest.raises(ValueError, match="must begin with"):
        trace_span("kernel.test", ctx)


def test_ledger_wants_full_names() -> None:
    ctx = make_ctx()
    ctx.ledger.post_event("berth.slip.assigned", slip_id="Q1-01")
    assert_event_posted(ctx, "berth.slip.assigned", slip_id="Q1-01")
    with pytest.raises(ValueError, match="lacks package"):
        ctx.ledger.post_event("assigned")
    assert len(ctx.ledger) == 1
    assert ctx.ledger.events_since(stamp_at(hour=7)) == []
