"""Tests of the fleet package."""

from __future__ import annotations

from typing import Any

from brinemoor.fleet.crew import CrewHand, CrewHandRepo, CrewHandService, CrewRank
from brinemoor.fleet.hull import Hull, HullKind, HullRepo, HullService, HullState
from brinemoor.fleet.jobs import lay_up_unfit
from brinemoor.fleet.sheets import register
from brinemoor.fleet.survey import FindingGrade, SurveyService
from brinemoor.fleet.tank import FuelTankService
from brinemoor.fleet.tug import Tug, TugRepo, TugService, TugState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.quantity import Draft, Tonnage
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_guard_breach,
    assert_outcome_fail,
    assert_outcome_ok,
    assert_span_noted,
    make_ctx,
    seed_row,
    stamp_at,
)


def make_hull(ctx: BerthContext, hull_no: str = "KB-1", **changes: Any) -> Hull:
    hull = Hull(
        hull_no=hull_no,
        port_code=ctx.port_code,
        kind=HullKind.BARGE,
        draft=Draft.of_cm(240),
        hold_limit=Tonnage.of_tonnes(80),
        fit_until=stamp_at(day=30),
    )
    return seed_row(ctx, HullRepo, hull.with_changes(**changes))


def test_enlisted_hull_is_unfit_before_its_survey() -> None:
    ctx = make_ctx()
    service = HullService(ctx)
    outcome = service.enlist("KB-7", HullKind.CUTTER, Draft.of_cm(180), Tonnage.of_tonnes(20))
    hull = assert_outcome_ok(outcome)
    assert hull.state is HullState.READY
    assert_event_posted(ctx, "fleet.hull.enlisted", hull_no="KB-7", kind="cutter")
    assert_outcome_fail(service.put_to_sea("KB-7"), ErrCode.HULL_UNFIT)


def test_enlist_twice_fails() -> None:
    ctx = make_ctx()
    make_hull(ctx)
    outcome = HullService(ctx).enlist("KB-1", HullKind.BARGE, Draft.of_cm(1), Tonnage.of_kg(1))
    assert_outcome_fail(outcome, ErrCode.ALREADY_ON_FILE)


def test_fit_hull_is_put_to_sea() -> None:
    ctx = make_ctx()
    make_hull(ctx)
    service = HullService(ctx)
    assert assert_outcome_ok(service.put_to_sea("KB-1")).state is HullState.AT_SEA
    assert_span_noted(ctx, "harbor.fleet.hull.put_to_sea", "hull_no", "KB-1")
    assert_outcome_fail(service.put_to_sea("KB-1"), ErrCode.WRONG_STATE)
    assert assert_outcome_ok(service.bring_home("KB-1")).state is HullState.READY


def test_guards_hold() -> None:
    ctx = make_ctx(grants=["fleet.hull.put_to_sea"])
    service = HullService(ctx)
    with assert_guard_breach(ErrCode.GRANT_MISSING):
        service.extend_fitness("KB-1", days=30)
    with assert_guard_breach(ErrCode.SLOT_EMPTY):
        service.put_to_sea("  ")


def test_crew_needs_rest_and_a_skipper() -> None:
    ctx = make_ctx()
    make_hull(ctx, kind=HullKind.CUTTER)
    seed_row(ctx, CrewHandRepo, CrewHand("H-1", CrewRank.MATE))
    seed_row(ctx, CrewHandRepo, CrewHand("H-2", CrewRank.SKIPPER))
    service = CrewHandService(ctx)
    assert_outcome_ok(service.sign_on("H-1", "KB-1"))
    assert_outcome_fail(service.confirm_manning("KB-1"), ErrCode.CREW_SHORT)
    assert_outcome_ok(service.sign_on("H-2", "KB-1"))
    assert assert_outcome_ok(service.confirm_manning("KB-1")) == 2
    assert_outcome_ok(service.sign_off("H-2", hours_worked=16))
    assert_event_posted(ctx, "fleet.crew.signed_off", hand_id="H-2", rest_minutes=480)
    assert_outcome_fail(service.sign_on("H-2", "KB-1"), ErrCode.CREW_SHORT)


def test_tank_keeps_a_reserve() -> None:
    ctx = make_ctx(fleet__tank__reserve_hours=2)
    make_hull(ctx)
    service = FuelTankService(ctx)
    assert_outcome_ok(service.fit_tank("KB-1", capacity=400, burn_per_hour=20))
    assert_outcome_ok(service.take_fuel("KB-1", 200))
    assert_outcome_fail(service.take_fuel("KB-1", 201), ErrCode.OVER_CAPACITY)
    assert assert_outcome_ok(service.clear_for_run("KB-1", hours=6)) == 2
    assert_outcome_fail(service.clear_for_run("KB-1", hours=9), ErrCode.TANK_LOW)


def test_weakest_tug_that_will_do_is_hooked_up() -> None:
    ctx = make_ctx(fleet__tug__tow_limit=1)
    make_hull(ctx)
    seed_row(ctx, TugRepo, Tug("T-1", pull_limit=Tonnage.of_tonnes(90)))
    seed_row(ctx, TugRepo, Tug("T-2", pull_limit=Tonnage.of_tonnes(40)))
    service = TugService(ctx)
    tug = assert_outcome_ok(service.hook_up("KB-1", Tonnage.of_tonnes(30)))
    assert tug.tug_id == "T-2"
    assert_event_posted(ctx, "fleet.tug.hooked_up", tug_id="T-2", hull_no="KB-1")
    assert assert_outcome_ok(service.let_go("T-2")).state is TugState.WORKSHOP
    assert_outcome_fail(service.hook_up("KB-1", Tonnage.of_tonnes(95)), ErrCode.TUG_BUSY)


def test_survey_with_a_remark_gives_half_a_year() -> None:
    ctx = make_ctx()
    make_hull(ctx, fit_until=stamp_at())
    service = SurveyService(ctx)
    survey = assert_outcome_ok(service.open_survey("KB-1"))
    assert_outcome_fail(service.open_survey("KB-1"), ErrCode.ALREADY_ON_FILE)
    assert_outcome_ok(service.add_finding(survey.survey_id, FindingGrade.REMARK))
    assert_outcome_ok(service.close_survey(survey.survey_id))
    assert_event_posted(ctx, "fleet.hull.extended", hull_no="KB-1", days=180)
    assert_outcome_fail(service.close_survey(survey.survey_id), ErrCode.ROW_LOCKED)


def test_lay_up_job_takes_only_lapsed_hulls() -> None:
    ctx = make_ctx()
    make_hull(ctx, "KB-1")
    make_hull(ctx, "KB-2", fit_until=stamp_at())
    assert assert_outcome_ok(lay_up_unfit(ctx)) == 1
    assert_event_posted(ctx, "fleet.hull.laid_up", hull_no="KB-2")


def test_register_sheet_adds_up_the_holds() -> None:
    ctx = make_ctx()
    make_hull(ctx, "KB-1")
    make_hull(ctx, "KB-2")
    sheet = assert_outcome_ok(register(ctx, HullKind.BARGE))
    assert sheet.totals["hold"] == "160000 kg"
    assert "KB-2" in sheet.as_text()
