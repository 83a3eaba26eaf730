"""Samples: iodine and sand tests on a handful of kelp. A lot is sealed only on good samples."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.cargo.lot import KelpLot, KelpLotRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


class SampleKind(Enum):
    """What the bench looks for."""

    IODINE = "iodine"
    SAND = "sand"
    SALMONELLA = "salmonella"

    def limit(self) -> int:
        """The highest permitted result, in milligrams (iodine), permille (sand) or colonies."""
        return {SampleKind.IODINE: 3000, SampleKind.SAND: 15, SampleKind.SALMONELLA: 0}[self]


@dataclass(frozen=True, slots=True)
class LotSample(HarborRow):
    """One bench result for one lot."""

    sample_id: str
    lot_no: str
    kind: SampleKind
    result: int
    bench_hand: str

    def is_good(self) -> bool:
        return self.result <= self.kind.limit()


class LotSampleRepo(TideRepo[LotSample]):
    """Samples by number."""

    table = "cargo_lot_sample"
    key_column = "sample_id"

    def fetch_kinds_for(self, lot_no: str) -> dict[SampleKind, LotSample]:
        """The latest sample of every kind; a later sample replaces an earlier one."""
        return {sample.kind: sample for sample in self.fetch_all_by(lot_no=lot_no)}


@harbor_service("cargo.sample")
class LotSampleService:
    """Files bench results and seals lots."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = LotSampleRepo(ctx)
        self.lots = KelpLotRepo(ctx)

    def file_result(
        self, lot_no: str, kind: SampleKind, result: int, bench_hand: str
    ) -> Outcome[LotSample]:
        """File the result of one test.

        Fails with NOT_ON_FILE, ROW_LOCKED.
        """
        require_grant(self.ctx, "cargo.sample.file_result")
        require_slot(self.ctx, "lot_no", lot_no)
        require_slot(self.ctx, "bench_hand", bench_hand)
        with trace_span("harbor.cargo.sample.file_result", self.ctx) as span:
            lot = self.lots.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            if lot.sealed:
                return Outcome.fail(ErrCode.ROW_LOCKED, f"lot {lot_no} is sealed")
            sample_id = self.ctx.next_serial("SMP")
            sample = self.repo.insert_row(
                LotSample(
                    sample_id=sample_id,
                    lot_no=lot_no,
                    kind=kind,
                    result=result,
                    bench_hand=bench_hand,
                )
            )
            self.ctx.ledger.post_event(
                "cargo.sample.filed", sample_id=sample_id, lot_no=lot_no, good=sample.is_good()
            )
            span.note("sample_id", sample_id)
            span.note("lot_no", lot_no)
            return Outcome.ok(sample)

    def seal_lot(self, lot_no: str) -> Outcome[KelpLot]:
        """Seal a lot that has a good sample of every kind.

        Fails with NOT_ON_FILE, PAPER_MISSING, SAMPLE_FAILED.
        """
        require_grant(self.ctx, "cargo.sample.seal_lot")
        require_slot(self.ctx, "lot_no", lot_no)
        with trace_span("harbor.cargo.sample.seal_lot", self.ctx) as span:
            lot = self.lots.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            samples = self.repo.fetch_kinds_for(lot_no)
            missing = [kind.value for kind in SampleKind if kind not in samples]
            if missing:
                return Outcome.fail(
                    ErrCode.PAPER_MISSING, f"lot {lot_no} lacks samples: {', '.join(missing)}"
                )
            bad = [sample for sample in samples.values() if not sample.is_good()]
            if bad:
                return Outcome.fail(
                    ErrCode.SAMPLE_FAILED, f"lot {lot_no} failed on {bad[0].kind.value}"
                )
            lot = self.lots.save_row(lot.with_changes(sealed=True))
            self.ctx.ledger.post_event("cargo.sample.sealed", lot_no=lot_no, samples=len(samples))
            span.note("lot_no", lot_no)
            return Outcome.ok(lot)
