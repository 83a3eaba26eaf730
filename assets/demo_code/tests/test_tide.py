"""Tests of the tide package."""

from __future__ import annotations

from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_outcome_fail,
    assert_outcome_ok,
    assert_span_noted,
    make_ctx,
    span_at,
    stamp_at,
)
from brinemoor.tide.almanac import HighWaterService
from brinemoor.tide.gauge import GaugeReadingService
from brinemoor.tide.jobs import close_past_windows, lift_spent_alerts
from brinemoor.tide.surge import SurgeAlertService, SurgeLevel
from brinemoor.tide.window import TideWindowService


def test_gauge_refuses_a_jump_and_goes_stale() -> None:
    ctx = make_ctx()
    service = GaugeReadingService(ctx)
    assert_outcome_ok(service.record("PIER-N", Draft.of_cm(300)))
    assert_outcome_fail(service.record("PIER-N", Draft.of_cm(390)), ErrCode.GAUGE_SILENT)
    assert assert_outcome_ok(service.level_now("PIER-N")) == Draft.of_cm(300)
    ctx.clock.advance_minutes(46)
    assert_outcome_fail(service.level_now("PIER-N"), ErrCode.GAUGE_SILENT)


def test_rise_is_given_per_hour() -> None:
    ctx = make_ctx()
    service = GaugeReadingService(ctx)
    assert_outcome_ok(service.record("PIER-N", Draft.of_cm(300)))
    ctx.clock.advance_minutes(30)
    assert_outcome_ok(service.record("PIER-N", Draft.of_cm(325)))
    assert assert_outcome_ok(service.rise_per_hour("PIER-N")) == 50
    assert_span_noted(ctx, "harbor.tide.gauge.rise_per_hour", "rise", 50)


def test_window_books_until_it_is_full() -> None:
    ctx = make_ctx()
    service = TideWindowService(ctx)
    window = assert_outcome_ok(service.forecast(span_at(8, minutes=20), Draft.of_cm(300)))
    assert_outcome_ok(service.book_passage(window.window_id, "KB-1", Draft.of_cm(240)))
    outcome = service.book_passage(window.window_id, "KB-2", Draft.of_cm(280))
    assert_outcome_fail(outcome, ErrCode.DRAFT_TOO_DEEP)
    assert_outcome_ok(service.book_passage(window.window_id, "KB-3", Draft.of_cm(200)))
    outcome = service.book_passage(window.window_id, "KB-4", Draft.of_cm(200))
    assert_outcome_fail(outcome, ErrCode.TIDE_WINDOW)
    assert_event_posted(ctx, "tide.window.booked", hull_no="KB-3")


def test_windows_never_overlap() -> None:
    ctx = make_ctx()
    service = TideWindowService(ctx)
    assert_outcome_ok(service.forecast(span_at(8, minutes=90), Draft.of_cm(300)))
    outcome = service.forecast(span_at(9, minutes=90), Draft.of_cm(300))
    assert_outcome_fail(outcome, ErrCode.TIDE_WINDOW)


def test_surge_level_follows_the_extra_water() -> None:
    ctx = make_ctx(tide__surge__warning_cm=50)
    service = SurgeAlertService(ctx)
    alert = assert_outcome_ok(service.raise_alert(span_at(6, minutes=120), extra_cm=55))
    assert alert.level is SurgeLevel.WARNING
    assert_outcome_fail(service.may_move_at(stamp_at(hour=7)), ErrCode.SURGE_WARNING)
    assert_outcome_ok(service.lift_alert(alert.alert_id, "wind has turned"))
    assert assert_outcome_ok(service.may_move_at(stamp_at(hour=7))) == 0


def test_almanac_publishes_two_windows() -> None:
    ctx = make_ctx()
    service = HighWaterService(ctx)
    highs = assert_outcome_ok(service.compute_day(105, Draft.of_cm(300)))
    assert [high.is_spring for high in highs] == [True, True]
    assert assert_outcome_ok(service.publish_windows(105)) == 2
    assert_event_posted(ctx, "tide.almanac.published", day=105, windows=2)


def test_jobs_close_windows_and_lift_alerts() -> None:
    ctx = make_ctx()
    assert_outcome_ok(TideWindowService(ctx).forecast(span_at(6, minutes=30), Draft.of_cm(300)))
    assert_outcome_ok(SurgeAlertService(ctx).raise_alert(span_at(6, minutes=30), extra_cm=10))
    assert assert_outcome_ok(close_past_windows(ctx)) == 0
    ctx.clock.advance_minutes(30)
    assert assert_outcome_ok(close_past_windows(ctx)) == 1
    assert assert_outcome_ok(lift_spent_alerts(ctx)) == 1
    assert_event_posted(ctx, "tide.surge.lifted", reason="span is over")
