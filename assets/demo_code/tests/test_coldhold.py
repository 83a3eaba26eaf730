"""Tests of the coldhold package."""

from __future__ import annotations

from typing import Any

from brinemoor.cargo.lot import KelpLot, KelpLotRepo
from brinemoor.coldhold.chamber import Chamber, ChamberRepo, ChamberService, ChamberState
from brinemoor.coldhold.defrost import CoilCycle, CoilCycleRepo, CoilCycleService
from brinemoor.coldhold.ice import IceBin, IceBinRepo, IceBinService
from brinemoor.coldhold.jobs import alarm_warm_chambers, melt_all_bins, thaw_worst_coil
from brinemoor.coldhold.probe import ProbeReadingService
from brinemoor.coldhold.rules import chain_unbroken
from brinemoor.fleet.hull import Hull, HullKind, HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.quantity import Chill, Draft, Tonnage
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_outcome_fail,
    assert_outcome_ok,
    assert_span_noted,
    make_ctx,
    seed_row,
    stamp_at,
)


def make_chamber(ctx: BerthContext, chamber_id: str = "C-1", **changes: Any) -> Chamber:
    chamber = Chamber(chamber_id, Tonnage.of_tonnes(10), Chill.of_decideg(-180))
    return seed_row(ctx, ChamberRepo, chamber.with_changes(**changes))


def make_sealed_lot(ctx: BerthContext, lot_no: str = "LOT-1", kg: int = 4_000) -> KelpLot:
    lot = KelpLot(lot_no, "KB-1", "GL-4", Tonnage.of_kg(kg), stamp_at(hour=5), sealed=True)
    return seed_row(ctx, KelpLotRepo, lot)


def test_lot_goes_in_and_out() -> None:
    ctx = make_ctx()
    make_chamber(ctx)
    make_sealed_lot(ctx)
    service = ChamberService(ctx)
    chamber = assert_outcome_ok(service.put_in("C-1", "LOT-1"))
    assert chamber.room_left() == Tonnage.of_kg(6_000)
    outcome = service.switch_state("C-1", ChamberState.OFF)
    assert_outcome_fail(outcome, ErrCode.ROW_LOCKED)
    assert_outcome_ok(service.take_out("LOT-1"))
    assert_event_posted(ctx, "coldhold.chamber.taken_out", chamber_id="C-1", lot_no="LOT-1")
    assert_outcome_fail(service.take_out("LOT-1"), ErrCode.NOT_ON_FILE)


def test_warm_reading_marks_the_chamber() -> None:
    ctx = make_ctx()
    make_chamber(ctx)
    make_sealed_lot(ctx)
    assert_outcome_ok(ChamberService(ctx).put_in("C-1", "LOT-1"))
    service = ProbeReadingService(ctx)
    assert_outcome_ok(service.take_reading("C-1", Chill.of_decideg(-150)))
    assert_event_posted(ctx, "coldhold.chamber.switched", chamber_id="C-1", state="warming")
    assert assert_outcome_ok(alarm_warm_chambers(ctx)) == 1
    ctx.clock.advance_minutes(100)
    outcome = chain_unbroken(ctx, "LOT-1", stamp_at(hour=6))
    assert_outcome_fail(outcome, ErrCode.LOT_SPOILED)


def test_mean_of_the_last_hours() -> None:
    ctx = make_ctx()
    make_chamber(ctx)
    service = ProbeReadingService(ctx)
    for decideg in (-200, -190, -180):
        assert_outcome_ok(service.take_reading("C-1", Chill.of_decideg(decideg)))
        ctx.clock.advance_minutes(10)
    assert assert_outcome_ok(service.mean_chill("C-1", hours=1)) == Chill.of_decideg(-190)
    assert_span_noted(ctx, "harbor.coldhold.probe.mean_chill", "readings", 3)


def test_only_one_coil_thaws_at_a_time() -> None:
    ctx = make_ctx()
    make_chamber(ctx)
    seed_row(ctx, CoilCycleRepo, CoilCycle("COIL-1", "C-1", hours_run=40))
    seed_row(ctx, CoilCycleRepo, CoilCycle("COIL-2", "C-1", hours_run=10))
    service = CoilCycleService(ctx)
    assert assert_outcome_ok(thaw_worst_coil(ctx)) == 1
    assert_event_posted(ctx, "coldhold.defrost.thaw_started", coil_id="COIL-1")
    assert_outcome_fail(service.start_thaw("COIL-2"), ErrCode.WRONG_STATE)
    assert_outcome_fail(service.end_thaw("COIL-1"), ErrCode.DEFROST_DUE)
    ctx.clock.advance_minutes(60)
    assert assert_outcome_ok(service.end_thaw("COIL-1")).hours_run == 0


def test_ice_is_sold_by_the_box() -> None:
    ctx = make_ctx(coldhold__ice__box_cents=500)
    seed_row(ctx, HullRepo, Hull("KB-1", "BRM", HullKind.CUTTER, Draft(180), Tonnage(9_000)))
    seed_row(ctx, IceBinRepo, IceBin("BIN-1", Tonnage.of_kg(1_000)))
    service = IceBinService(ctx)
    assert_outcome_ok(service.make_ice("BIN-1", Tonnage.of_kg(1_200)))
    assert_event_posted(ctx, "coldhold.ice.made", bin_id="BIN-1", melted_kg=200)
    assert assert_outcome_ok(service.sell_boxes("KB-1", 4)) == Dues.of_whole(20)
    assert_outcome_fail(service.sell_boxes("KB-1", 40), ErrCode.OVER_CAPACITY)
    assert assert_outcome_ok(melt_all_bins(ctx)) == 1
