"""Tests of the kernel: time, quantities, dues, rows, forms, sheets and the registry."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from brinemoor.kernel.dues import Dues, split_dues, total_dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.form import QuayForm
from brinemoor.kernel.quantity import Chill, Draft, Tonnage, total_load
from brinemoor.kernel.registry import entries_of, jobs_due
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.sheet import QuaySheet
from brinemoor.kernel.testkit import assert_outcome_fail, make_ctx, seed_row, span_at, stamp_at
from brinemoor.tide.jobs import close_past_windows


@dataclass(frozen=True, slots=True)
class Buoy(HarborRow):
    """A row for the tests."""

    buoy_id: str
    colour: str
    depth: Draft = Draft(0)


class BuoyRepo(TideRepo[Buoy]):
    """Buoys by number."""

    table = "test_buoy"
    key_column = "buoy_id"


def test_spans_are_half_open() -> None:
    first, second = span_at(6, minutes=60), span_at(7, minutes=60)
    assert not first.overlaps(second)
    assert first.overlaps(second.shifted_by(-1))
    assert first.covers(stamp_at(hour=6)) and not first.covers(stamp_at(hour=7))
    assert stamp_at(hour=6, minute=5).label() == "d0100 06:05"


def test_clock_runs_forward_only() -> None:
    ctx = make_ctx()
    assert ctx.clock.advance_minutes(30) == stamp_at(hour=6, minute=30)
    with pytest.raises(ValueError, match="backwards"):
        ctx.clock.advance_minutes(-1)


def test_loads_never_go_below_nothing() -> None:
    assert Tonnage.of_kg(5).minus_load(Tonnage.of_kg(9)) == Tonnage.none()
    assert Tonnage.of_kg(1_001).started_tonnes() == 2
    assert total_load([Tonnage.of_kg(2), Tonnage.of_kg(3)]).label() == "5 kg"
    assert Draft.of_cm(240).clearance_under(Draft.of_cm(300)) == 60
    assert Chill.of_decideg(-175).warmer_than(Chill.of_decideg(-180))


def test_dues_round_half_up_and_split_exactly() -> None:
    assert Dues.of_cents(150).scaled_bp(1_250) == Dues.of_cents(19)
    shares = split_dues(Dues.of_cents(100), 3)
    assert [share.cents for share in shares] == [34, 33, 33]
    assert total_dues(shares) == Dues.of_whole(1)
    assert Dues.of_cents(-1_205).label() == "-12.05"


def test_repo_finds_and_orders_rows() -> None:
    ctx = make_ctx()
    seed_row(ctx, BuoyRepo, Buoy("B-2", "red"))
    seed_row(ctx, BuoyRepo, Buoy("B-1", "red"))
    repo = BuoyRepo(ctx)
    assert [buoy.buoy_id for buoy in repo.fetch_all_by(colour="red")] == ["B-1", "B-2"]
    assert repo.fetch_one_by("colour", "green") is None
    with pytest.raises(KeyError):
        repo.insert_row(Buoy("B-1", "green"))
    repo.drop_row("B-1")
    assert repo.count_by(colour="red") == 1


def test_form_collects_faults() -> None:
    ctx = make_ctx()
    form = QuayForm({"load": 500, "hull_no": " KB-1 "}, ctx)
    assert form.take_tonnage("load") == Tonnage.of_kg(500)
    assert form.take_text("hull_no") == "KB-1"
    form.take_stamp("opens")
    assert_outcome_fail(form.as_failure(), ErrCode.FORM_FAULT)


def test_sheet_prints_labels_and_is_sealed() -> None:
    sheet = QuaySheet("test.loads", make_ctx())
    sheet.add_column("hull")
    sheet.add_column("load", lean="right")
    sheet.add_line("KB-1", Tonnage.of_kg(900))
    assert sheet.seal().as_text() == "test.loads at BRM\nhull    load\nKB-1  900 kg"
    with pytest.raises(ValueError, match="sealed"):
        sheet.add_line("KB-2", Tonnage.of_kg(1))


def test_registry_knows_jobs_by_their_turn() -> None:
    close_past_windows(make_ctx())
    names = [entry.name for entry in jobs_due(15)]
    assert "tide.close_past_windows" in names
    assert "tide.drop_old_readings" not in names
    assert "tide.window" in [entry.name for entry in entries_of("service")]
