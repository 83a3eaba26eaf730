"""Cold chambers: where sealed lots wait for their buyer, each chamber at its own set point."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.cargo.lot import KelpLotRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Chill, Tonnage
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


class ChamberState(Enum):
    """A chamber takes lots only while it is cold."""

    COLD = "cold"
    WARMING = "warming"
    DEFROST = "defrost"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Chamber(HarborRow):
    """A chamber with what it holds."""

    chamber_id: str
    capacity: Tonnage
    set_point: Chill
    state: ChamberState = ChamberState.COLD
    lot_nos: tuple[str, ...] = ()
    held: Tonnage = Tonnage(0)

    def room_left(self) -> Tonnage:
        return self.capacity.minus_load(self.held)


class ChamberRepo(TideRepo[Chamber]):
    """Chambers by number."""

    table = "coldhold_chamber"
    key_column = "chamber_id"

    def fetch_holding(self, lot_no: str) -> Chamber | None:
        """The chamber in which a lot lies, or nothing."""
        return next((row for row in self.fetch_all_by() if lot_no in row.lot_nos), None)


@harbor_service("coldhold.chamber")
class ChamberService:
    """Puts lots into chambers and takes them out."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = ChamberRepo(ctx)
        self.lots = KelpLotRepo(ctx)

    def put_in(self, chamber_id: str, lot_no: str) -> Outcome[Chamber]:
        """Put a sealed lot into a cold chamber with room for it.

        Fails with NOT_ON_FILE, TOO_WARM, SEAL_BROKEN, OVER_CAPACITY.
        """
        require_grant(self.ctx, "coldhold.chamber.put_in")
        require_slot(self.ctx, "chamber_id", chamber_id)
        require_slot(self.ctx, "lot_no", lot_no)
        with trace_span("harbor.coldhold.chamber.put_in", self.ctx) as span:
            chamber = self.repo.fetch_one_by("chamber_id", chamber_id)
            if chamber is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"chamber {chamber_id} is not on file")
            lot = self.lots.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            if chamber.state is not ChamberState.COLD:
                return Outcome.fail(
                    ErrCode.TOO_WARM, f"chamber {chamber_id} is {chamber.state.value}"
                )
            if not lot.sealed:
                return Outcome.fail(ErrCode.SEAL_BROKEN, f"lot {lot_no} is not sealed")
            if lot.weight.is_over(chamber.room_left()):
                return Outcome.fail(
                    ErrCode.OVER_CAPACITY,
                    f"chamber {chamber_id} has room for {chamber.room_left().label()}",
                )
            chamber = self.repo.save_row(
                chamber.with_changes(
                    lot_nos=(*chamber.lot_nos, lot_no), held=chamber.held.plus_load(lot.weight)
                )
            )
            self.ctx.ledger.post_event(
                "coldhold.chamber.put_in", chamber_id=chamber_id, lot_no=lot_no
            )
            span.note("chamber_id", chamber_id)
            span.note("lot_no", lot_no)
            return Outcome.ok(chamber)

    def take_out(self, lot_no: str) -> Outcome[Chamber]:
        """Take a lot out of whichever chamber it lies in.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "coldhold.chamber.take_out")
        require_slot(self.ctx, "lot_no", lot_no)
        with trace_span("harbor.coldhold.chamber.take_out", self.ctx) as span:
            lot = self.lots.fetch_one_by("lot_no", lot_no)
            if lot is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} is not on file")
            chamber = self.repo.fetch_holding(lot_no)
            if chamber is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"lot {lot_no} lies in no chamber")
            left = tuple(other for other in chamber.lot_nos if other != lot_no)
            chamber = self.repo.save_row(
                chamber.with_changes(lot_nos=left, held=chamber.held.minus_load(lot.weight))
            )
            self.ctx.ledger.post_event(
                "coldhold.chamber.taken_out", chamber_id=chamber.chamber_id, lot_no=lot_no
            )
            span.note("chamber_id", chamber.chamber_id)
            span.note("lot_no", lot_no)
            return Outcome.ok(chamber)

    def switch_state(self, chamber_id: str, state: ChamberState) -> Outcome[Chamber]:
        """Switch the plant; a chamber with lots in it is never switched off.

        Fails with NOT_ON_FILE, ROW_LOCKED.
        """
        require_grant(self.ctx, "coldhold.chamber.switch_state")
        require_slot(self.ctx, "chamber_id", chamber_id)
        with trace_span("harbor.coldhold.chamber.switch_state", self.ctx) as span:
            chamber = self.repo.fetch_one_by("chamber_id", chamber_id)
            if chamber is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"chamber {chamber_id} is not on file")
            if state is ChamberState.OFF and chamber.lot_nos:
                return Outcome.fail(
                    ErrCode.ROW_LOCKED, f"chamber {chamber_id} holds {len(chamber.lot_nos)} lots"
                )
            chamber = self.repo.save_row(chamber.with_changes(state=state))
            self.ctx.ledger.post_event(
                "coldhold.chamber.switched", chamber_id=chamber_id, state=state.value
            )
            span.note("chamber_id", chamber_id)
            span.note("state", state.value)
            return Outcome.ok(chamber)
