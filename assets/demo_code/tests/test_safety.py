"""Tests of the safety package."""

from __future__ import annotations

from brinemoor.berth.slip import Slip, SlipRepo
from brinemoor.fleet.hull import Hull, HullKind, HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.quantity import Draft, Tonnage
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_outcome_fail,
    assert_outcome_ok,
    make_ctx,
    seed_row,
    span_at,
    stamp_at,
)
from brinemoor.safety.drill import DrillKind, DrillService
from brinemoor.safety.incident import IncidentService, Severity
from brinemoor.safety.jobs import name_late_crews, withdraw_lapsed
from brinemoor.safety.permit import PermitKind, WorkPermitService
from brinemoor.safety.rules import crew_may_sail, quay_is_clean
from brinemoor.safety.spill import SpillService


def make_hull(ctx: BerthContext) -> Hull:
    hull = Hull("KB-1", "BRM", HullKind.BARGE, Draft.of_cm(240), Tonnage.of_tonnes(80))
    return seed_row(ctx, HullRepo, hull.with_changes(fit_until=stamp_at(day=300)))


def test_permit_is_checked_by_its_watch_hand() -> None:
    ctx = make_ctx()
    service = WorkPermitService(ctx)
    outcome = service.issue(PermitKind.DIVING, "Q1", span_at(6, minutes=180), "H-2")
    assert_outcome_fail(outcome, ErrCode.PERMIT_LAPSED)
    outcome = service.issue(PermitKind.DIVING, "Q1", span_at(6, minutes=90), "H-2")
    permit = assert_outcome_ok(outcome)
    assert assert_outcome_ok(service.check(permit.permit_no, "H-2")) == 90
    assert_outcome_fail(service.check(permit.permit_no, "H-3"), ErrCode.STAMP_REFUSED)
    outcome = service.issue(PermitKind.HOT_WORK, "Q1", span_at(7, minutes=60), "H-3")
    assert_outcome_fail(outcome, ErrCode.ROSTER_CLASH)


def test_lapsed_permits_are_withdrawn_by_the_job() -> None:
    ctx = make_ctx()
    service = WorkPermitService(ctx)
    assert_outcome_ok(service.issue(PermitKind.ALOFT, "Q2", span_at(6, minutes=60), "H-2"))
    assert assert_outcome_ok(withdraw_lapsed(ctx)) == 0
    ctx.clock.advance_minutes(60)
    assert assert_outcome_ok(withdraw_lapsed(ctx)) == 1
    assert_event_posted(ctx, "safety.permit.withdrawn", reason="time is over")


def test_third_near_miss_is_minor() -> None:
    ctx = make_ctx()
    service = IncidentService(ctx)
    for _ in range(2):
        assert_outcome_ok(service.report("crane 4", Severity.NEAR_MISS))
    third = assert_outcome_ok(service.report("crane 4", Severity.NEAR_MISS))
    assert third.severity is Severity.MINOR
    assert_event_posted(ctx, "safety.incident.reported", severity="minor")


def test_last_measure_closes_the_incident() -> None:
    ctx = make_ctx()
    service = IncidentService(ctx)
    incident = assert_outcome_ok(service.report("gate", Severity.MINOR))
    assert_outcome_ok(service.add_measure(incident.incident_no, "paint the kerb"))
    outcome = service.add_measure(incident.incident_no, "paint the kerb")
    assert_outcome_fail(outcome, ErrCode.ALREADY_ON_FILE)
    assert assert_outcome_ok(service.finish_measure(incident.incident_no, "paint the kerb")).closed


def test_crew_sails_after_all_drills() -> None:
    ctx = make_ctx(safety__drill__fire_seconds=100)
    make_hull(ctx)
    service = DrillService(ctx)
    assert assert_outcome_ok(name_late_crews(ctx)) == 1
    assert not assert_outcome_ok(service.hold("KB-1", DrillKind.FIRE, seconds=120)).passed
    for kind in DrillKind:
        assert_outcome_ok(service.hold("KB-1", kind, seconds=90))
    assert assert_outcome_ok(crew_may_sail(ctx, "KB-1")).hull_no == "KB-1"
    ctx.clock.advance_minutes(61 * 24 * 60)
    assert_outcome_fail(crew_may_sail(ctx, "KB-1"), ErrCode.DRILL_OVERDUE)


def test_spill_blocks_the_quay_until_it_is_skimmed() -> None:
    ctx = make_ctx()
    seed_row(ctx, SlipRepo, Slip("Q1-01", "Q1", Draft.of_metres(40), Draft.of_metres(3)))
    service = SpillService(ctx)
    spill = assert_outcome_ok(service.report_spill("Q1", litres=400))
    assert_event_posted(ctx, "berth.slip.blocked", slip_id="Q1-01", reason=spill.spill_no)
    assert_outcome_fail(service.skim(spill.spill_no, 400), ErrCode.SPILL_OPEN)
    assert_outcome_ok(service.lay_boom(spill.spill_no, 20))
    assert_outcome_fail(quay_is_clean(ctx, "Q1"), ErrCode.SPILL_OPEN)
    assert assert_outcome_ok(service.skim(spill.spill_no, 400)) == 0
    assert assert_outcome_ok(quay_is_clean(ctx, "Q1")) == 400
