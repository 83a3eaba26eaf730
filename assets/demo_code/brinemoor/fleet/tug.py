"""Tugs and tows. A barge moves inside the harbour only with a tug on its line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.fleet.hull import HullRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Tonnage
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


class TugState(Enum):
    """A tug is idle, on a tow or in the workshop."""

    IDLE = "idle"
    TOWING = "towing"
    WORKSHOP = "workshop"


@dataclass(frozen=True, slots=True)
class Tug(HarborRow):
    """A tug with its bollard pull."""

    tug_id: str
    pull_limit: Tonnage
    state: TugState = TugState.IDLE
    tow_hull: str = ""
    tows_today: int = 0


class TugRepo(TideRepo[Tug]):
    """Tugs by their call sign."""

    table = "fleet_tug"
    key_column = "tug_id"

    def fetch_idle_for(self, load: Tonnage) -> list[Tug]:
        """Idle tugs that are strong enough, the weakest first, to keep the strong ones free."""
        idle = [tug for tug in self.fetch_all_by(state=TugState.IDLE) if tug.pull_limit >= load]
        return sorted(idle, key=lambda tug: (tug.pull_limit, tug.tows_today, tug.tug_id))


@harbor_service("fleet.tug")
class TugService:
    """Hands out tugs and takes them back."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = TugRepo(ctx)
        self.hulls = HullRepo(ctx)

    def hook_up(self, hull_no: str, load: Tonnage) -> Outcome[Tug]:
        """Put the weakest tug that will do on the line of a barge.

        Fails with NOT_ON_FILE, WRONG_STATE, TUG_BUSY.
        """
        require_grant(self.ctx, "fleet.tug.hook_up")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "load", load.kg)
        with trace_span("harbor.fleet.tug.hook_up", self.ctx) as span:
            hull = self.hulls.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            if not hull.kind.needs_tug():
                return Outcome.fail(
                    ErrCode.WRONG_STATE, f"hull {hull_no} moves under its own power"
                )
            idle = self.repo.fetch_idle_for(load)
            if not idle:
                return Outcome.fail(ErrCode.TUG_BUSY, f"no idle tug can pull {load.label()}")
            tug = idle[0]
            tug = self.repo.save_row(
                tug.with_changes(
                    state=TugState.TOWING, tow_hull=hull_no, tows_today=tug.tows_today + 1
                )
            )
            self.ctx.ledger.post_event("fleet.tug.hooked_up", tug_id=tug.tug_id, hull_no=hull_no)
            span.note("tug_id", tug.tug_id)
            span.note("hull_no", hull_no)
            return Outcome.ok(tug)

    def let_go(self, tug_id: str) -> Outcome[Tug]:
        """End a tow; a tug with too many tows goes to the workshop.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "fleet.tug.let_go")
        require_slot(self.ctx, "tug_id", tug_id)
        with trace_span("harbor.fleet.tug.let_go", self.ctx) as span:
            tug = self.repo.fetch_one_by("tug_id", tug_id)
            if tug is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"tug {tug_id} is not on file")
            if tug.state is not TugState.TOWING:
                return Outcome.fail(ErrCode.WRONG_STATE, f"tug {tug_id} is {tug.state.value}")
            tow_limit = self.ctx.knob("fleet.tug.tow_limit", default=8)
            state = TugState.WORKSHOP if tug.tows_today >= tow_limit else TugState.IDLE
            self.ctx.ledger.post_event("fleet.tug.let_go", tug_id=tug_id, hull_no=tug.tow_hull)
            tug = self.repo.save_row(tug.with_changes(state=state, tow_hull=""))
            span.note("tug_id", tug_id)
            span.note("state", state.value)
            return Outcome.ok(tug)

    def release_from_workshop(self, tug_id: str) -> Outcome[Tug]:
        """Give a serviced tug back to the pool with a fresh tow count.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "fleet.tug.release_from_workshop")
        require_slot(self.ctx, "tug_id", tug_id)
        with trace_span("harbor.fleet.tug.release_from_workshop", self.ctx) as span:
            tug = self.repo.fetch_one_by("tug_id", tug_id)
            if tug is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"tug {tug_id} is not on file")
            if tug.state is not TugState.WORKSHOP:
                return Outcome.fail(ErrCode.WRONG_STATE, f"tug {tug_id} is {tug.state.value}")
            tug = self.repo.save_row(tug.with_changes(state=TugState.IDLE, tows_today=0))
            self.ctx.ledger.post_event("fleet.tug.released", tug_id=tug_id)
            span.note("tug_id", tug_id)
            return Outcome.ok(tug)
