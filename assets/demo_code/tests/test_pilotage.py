"""Tests of the pilotage package."""

from __future__ import annotations

from typing import Any

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
    stamp_at,
)
from brinemoor.pilotage.boarding import BoardingService
from brinemoor.pilotage.licence import LicenceService
from brinemoor.pilotage.pilot import Pilot, PilotClass, PilotRepo, PilotService
from brinemoor.pilotage.rules import pilot_for, pilot_needed


def make_pilot(ctx: BerthContext, pilot_id: str = "P-1", **changes: Any) -> Pilot:
    pilot = Pilot(pilot_id, PilotClass.BAR, on_duty=True)
    return seed_row(ctx, PilotRepo, pilot.with_changes(**changes))


def make_cutter(ctx: BerthContext, draft_cm: int = 250) -> Hull:
    hull = Hull("KC-3", "BRM", HullKind.CUTTER, Draft.of_cm(draft_cm), Tonnage.of_tonnes(12))
    return seed_row(ctx, HullRepo, hull)


def test_duty_ends_with_a_rest() -> None:
    ctx = make_ctx()
    make_pilot(ctx, acts_on_duty=3)
    service = PilotService(ctx)
    assert_outcome_ok(service.go_off_duty("P-1"))
    assert_event_posted(ctx, "pilotage.pilot.off_duty", pilot_id="P-1", rest_minutes=600)
    assert_outcome_fail(service.go_on_duty("P-1"), ErrCode.PILOT_RESTING)
    ctx.clock.advance_minutes(600)
    assert assert_outcome_ok(service.go_on_duty("P-1")).acts_on_duty == 0


def test_class_limits_the_draft() -> None:
    ctx = make_ctx(pilotage__pilot__act_limit=1)
    make_pilot(ctx)
    service = PilotService(ctx)
    assert_outcome_fail(service.count_act("P-1", Draft.of_cm(401)), ErrCode.DRAFT_TOO_DEEP)
    assert_outcome_ok(service.count_act("P-1", Draft.of_cm(400)))
    assert_outcome_fail(service.count_act("P-1", Draft.of_cm(300)), ErrCode.PILOT_RESTING)


def test_boarding_from_order_to_landing() -> None:
    ctx = make_ctx()
    make_pilot(ctx)
    make_cutter(ctx)
    assert_outcome_ok(LicenceService(ctx).grant("P-1", "OUTER", days=90))
    assert assert_outcome_ok(pilot_for(ctx, "KC-3", "OUTER")).pilot_id == "P-1"
    service = BoardingService(ctx)
    boarding = assert_outcome_ok(service.order("KC-3", "P-1", "OUTER"))
    outcome = service.climb_aboard(boarding.boarding_no, swell_cm=200)
    assert_outcome_fail(outcome, ErrCode.SURGE_WARNING)
    assert_outcome_ok(service.climb_aboard(boarding.boarding_no, swell_cm=90))
    ctx.clock.advance_minutes(80)
    assert assert_outcome_ok(service.land_pilot(boarding.boarding_no)) == 80
    assert_event_posted(ctx, "pilotage.licence.trip_counted", trips=1)


def test_licence_wants_trips_before_renewal() -> None:
    ctx = make_ctx(pilotage__licence__trips_wanted=1)
    make_pilot(ctx)
    service = LicenceService(ctx)
    licence = assert_outcome_ok(service.grant("P-1", "OUTER", days=90))
    assert_outcome_fail(service.renew(licence.licence_no, days=90), ErrCode.LICENCE_LAPSED)
    assert_outcome_ok(service.count_trip("P-1", "OUTER"))
    renewed = assert_outcome_ok(service.renew(licence.licence_no, days=90))
    assert renewed.valid.closes == stamp_at(hour=6, day=180)


def test_cutter_needs_a_pilot_when_it_is_deep() -> None:
    ctx = make_ctx()
    make_cutter(ctx, draft_cm=180)
    assert assert_outcome_ok(pilot_needed(ctx, "KC-3")) is False
    make_cutter(ctx, draft_cm=220)
    assert assert_outcome_ok(pilot_needed(ctx, "KC-3")) is True
