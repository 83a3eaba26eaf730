"""Tests of the cargo package."""

from __future__ import annotations

from brinemoor.cargo.lot import KelpGrade, KelpLot, KelpLotRepo, KelpLotService
from brinemoor.cargo.manifest import ManifestService
from brinemoor.cargo.sample import LotSampleService, SampleKind
from brinemoor.cargo.weighing import WeighingService
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.quantity import Tonnage
from brinemoor.kernel.testkit import (
    assert_event_posted,
    assert_outcome_fail,
    assert_outcome_ok,
    make_ctx,
)


def land_lot(ctx: BerthContext, kg: int = 5_000, line_code: str = "GL-4") -> KelpLot:
    return assert_outcome_ok(KelpLotService(ctx).land("KB-1", line_code, Tonnage.of_kg(kg)))


def seal(ctx: BerthContext, lot: KelpLot) -> KelpLot:
    service = LotSampleService(ctx)
    for kind in SampleKind:
        assert_outcome_ok(service.file_result(lot.lot_no, kind, 0, "bench-2"))
    return assert_outcome_ok(service.seal_lot(lot.lot_no))


def test_lot_is_landed_and_split() -> None:
    ctx = make_ctx()
    lot = land_lot(ctx)
    part = assert_outcome_ok(KelpLotService(ctx).split_off(lot.lot_no, Tonnage.of_kg(2_000)))
    assert part.weight == Tonnage.of_kg(2_000)
    rest = KelpLotRepo(ctx).fetch_one_by("lot_no", lot.lot_no)
    assert rest is not None and rest.weight == Tonnage.of_kg(3_000)
    assert_event_posted(ctx, "cargo.lot.split", lot_no=lot.lot_no, part_no=part.lot_no)


def test_late_lot_cannot_be_prime() -> None:
    ctx = make_ctx(cargo__lot__prime_hours=2)
    lot = land_lot(ctx)
    ctx.clock.advance_minutes(200)
    outcome = KelpLotService(ctx).regrade(lot.lot_no, KelpGrade.PRIME)
    assert_outcome_fail(outcome, ErrCode.LOT_SPOILED)
    assert_outcome_ok(KelpLotService(ctx).regrade(lot.lot_no, KelpGrade.DRIER))


def test_manifest_takes_sealed_lots_up_to_its_limit() -> None:
    ctx = make_ctx()
    service = ManifestService(ctx)
    manifest = assert_outcome_ok(service.draw_up("BUY-9", Tonnage.of_kg(7_000)))
    first, second = land_lot(ctx), land_lot(ctx)
    outcome = service.add_lot(manifest.manifest_no, first.lot_no)
    assert_outcome_fail(outcome, ErrCode.SEAL_BROKEN)
    seal(ctx, first)
    seal(ctx, second)
    assert_outcome_ok(service.add_lot(manifest.manifest_no, first.lot_no))
    outcome = service.add_lot(manifest.manifest_no, second.lot_no)
    assert_outcome_fail(outcome, ErrCode.OVER_CAPACITY)
    assert assert_outcome_ok(service.depart(manifest.manifest_no)) == Tonnage.of_kg(5_000)


def test_scale_settles_small_drift_only() -> None:
    ctx = make_ctx()
    lot = land_lot(ctx)
    service = WeighingService(ctx)
    assert_outcome_ok(service.weigh(lot.lot_no, Tonnage.of_kg(7_100), Tonnage.of_kg(2_000)))
    assert assert_outcome_ok(service.settle_weight(lot.lot_no)).weight == Tonnage.of_kg(5_100)
    assert_outcome_ok(service.weigh(lot.lot_no, Tonnage.of_kg(9_000), Tonnage.of_kg(2_000)))
    assert_outcome_fail(service.settle_weight(lot.lot_no), ErrCode.WEIGHT_DRIFT)


def test_bad_sample_keeps_a_lot_open() -> None:
    ctx = make_ctx()
    lot = land_lot(ctx)
    service = LotSampleService(ctx)
    assert_outcome_fail(service.seal_lot(lot.lot_no), ErrCode.PAPER_MISSING)
    for kind in SampleKind:
        assert_outcome_ok(service.file_result(lot.lot_no, kind, 20, "bench-2"))
    outcome = service.seal_lot(lot.lot_no)
    assert_outcome_fail(outcome, ErrCode.SAMPLE_FAILED)
