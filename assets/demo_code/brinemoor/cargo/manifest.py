"""Manifests: the list of lots that leave the port together on one outbound run."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.cargo.lot import KelpLotRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Tonnage, total_load
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class Manifest(HarborRow):
    """Lots for one buyer, closed when the truck or hull departs."""

    manifest_no: str
    buyer_code: str
    limit: Tonnage
    lot_nos: tuple[str, ...] = ()
    departed_at: TideStamp | None = None

    def is_open(self) -> bool:
        return self.departed_at is None


class ManifestRepo(TideRepo[Manifest]):
    """Manifests by number."""

    table = "cargo_manifest"
    key_column = "manifest_no"

    def fetch_with_lot(self, lot_no: str) -> Manifest | None:
        return next((row for row in self.fetch_all_by() if lot_no in row.lot_nos), None)


@harbor_service("cargo.manifest")
class ManifestService:
    """Builds manifests from sealed lots."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = ManifestRepo(ctx)
        self.lots = KelpLotRepo(ctx)

    def draw_up(self, buyer_code: str, limit: Tonnage) -> Outcome[Manifest]:
        """Draw up an empty manifest for a buyer."""
        require_grant(self.ctx, "cargo.manifest.draw_up")
        require_slot(self.ctx, "buyer_code", buyer_code)
        require_positive(self.ctx, "limit", limit.kg)
        with trace_span("harbor.cargo.manifest.draw_up", self.ctx) as span:
            manifest_no = self.ctx.next_serial("MAN")
            manifest = self.repo.insert_row(
                Manifest(manifest_no=manifest_no, buyer_code=buyer_code, limit=limit)
            )
            self.ctx.ledger.post_event(
                "cargo.manifest.drawn_up", manifest_no=manifest_no, buyer_code=buyer_code
            )
            span.note("manifest_no", manifest_no)
            span.note("buyer_code", buyer_code)
            return Outcome.ok(manifest)

    def add_lot(self, manifest_no: str, lot_no: str) -> Outcome[Manifest]:
        """Add a sealed lot that is on no other manifest.

        Fails with NOT_ON_FILE, ROW_LOCKED, SEAL_BROKEN, ALREADY_ON_FILE, OVER_CAPACITY.
        """
        require_grant(self.ctx, "cargo.manifest.add_lot")
        require_slot(self.ctx, "manifest_no", manifest_no)
        require_slot(self.ctx, "lot_no", lot_no)
        with trace_span("harbor.cargo.manifest.add_lot", self.ctx) as span:
            manifest = self.repo.fetch_one_by("manifest_no", manifest_no)
            if manifest is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"manifest {manifest_no} is not on file")
            lot = self.lots.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            if not manifest.is_open():
                return Outcome.fail(ErrCode.ROW_LOCKED, f"manifest {manifest_no} has departed")
            if not lot.sealed:
                return Outcome.fail(ErrCode.SEAL_BROKEN, f"lot {lot_no} is not sealed")
            other = self.repo.fetch_with_lot(lot_no)
            if other is not None:
                return Outcome.fail(
                    ErrCode.ALREADY_ON_FILE, f"lot {lot_no} is on {other.manifest_no}"
                )
            load = self._load_of(manifest).plus_load(lot.weight)
            if load.is_over(manifest.limit):
                return Outcome.fail(
                    ErrCode.OVER_CAPACITY, f"manifest {manifest_no} would carry {load.label()}"
                )
            manifest = self.repo.save_row(
                manifest.with_changes(lot_nos=(*manifest.lot_nos, lot_no))
            )
            self.ctx.ledger.post_event(
                "cargo.manifest.lot_added", manifest_no=manifest_no, lot_no=lot_no
            )
            span.note("manifest_no", manifest_no)
            span.note("lot_no", lot_no)
            return Outcome.ok(manifest)

    def depart(self, manifest_no: str) -> Outcome[Tonnage]:
        """Close a manifest and give the load that leaves.

        Fails with NOT_ON_FILE, PAPER_MISSING, WRONG_STATE.
        """
        require_grant(self.ctx, "cargo.manifest.depart")
        require_slot(self.ctx, "manifest_no", manifest_no)
        with trace_span("harbor.cargo.manifest.depart", self.ctx) as span:
            manifest = self.repo.fetch_one_by("manifest_no", manifest_no)
            if manifest is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"manifest {manifest_no} is not on file")
            if not manifest.lot_nos:
                return Outcome.fail(ErrCode.PAPER_MISSING, f"manifest {manifest_no} lists no lot")
            if not manifest.is_open():
                return Outcome.fail(ErrCode.WRONG_STATE, f"manifest {manifest_no} has departed")
            manifest = self.repo.save_row(
                manifest.with_changes(departed_at=self.ctx.clock.now_stamp())
            )
            load = self._load_of(manifest)
            self.ctx.ledger.post_event(
                "cargo.manifest.departed", manifest_no=manifest_no, kg=load.kg
            )
            span.note("manifest_no", manifest_no)
            span.note("kg", load.kg)
            return Outcome.ok(load)

    def _load_of(self, manifest: Manifest) -> Tonnage:
        lots = [self.lots.fetch_one_by("lot_no", lot_no) for lot_no in manifest.lot_nos]
        return total_load(lot.weight for lot in lots if lot is not None)
