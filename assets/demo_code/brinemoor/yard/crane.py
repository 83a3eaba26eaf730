"""Cranes: what they may lift at which reach, and when the wind stops them."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft, Tonnage
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class Crane(HarborRow):
    """A crane with its rating at ten metres of reach."""

    crane_id: str
    rating: Tonnage
    reach_limit: Draft
    lifts_today: int = 0
    lifted_today: Tonnage = Tonnage(0)
    stopped: bool = False

    def rating_at(self, reach: Draft) -> Tonnage:
        """The rating falls with the reach; below ten metres it stays as it is."""
        return self.rating.share_bp(min(10_000, 10_000 * 1_000 // max(1, reach.cm)))


class CraneRepo(TideRepo[Crane]):
    """Cranes by number."""

    table = "yard_crane"
    key_column = "crane_id"

    def fetch_working(self) -> list[Crane]:
        return self.fetch_all_by(stopped=False)


@harbor_service("yard.crane")
class CraneService:
    """Books lifts and stops cranes in the wind."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = CraneRepo(ctx)

    def book_lift(self, crane_id: str, load: Tonnage, reach: Draft) -> Outcome[Crane]:
        """Book one lift when the crane may do it at this reach.

        Fails with NOT_ON_FILE, WRONG_STATE, LIFT_OVERLOAD.
        """
        require_grant(self.ctx, "yard.crane.book_lift")
        require_slot(self.ctx, "crane_id", crane_id)
        require_positive(self.ctx, "load", load.kg)
        require_positive(self.ctx, "reach", reach.cm)
        with trace_span("harbor.yard.crane.book_lift", self.ctx) as span:
            crane = self.repo.fetch_one_by("crane_id", crane_id)
            if crane is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"crane {crane_id} is not on file")
            if crane.stopped:
                return Outcome.fail(ErrCode.WRONG_STATE, f"crane {crane_id} is stopped")
            if reach.is_over(crane.reach_limit):
                return Outcome.fail(
                    ErrCode.LIFT_OVERLOAD, f"crane {crane_id} reaches {crane.reach_limit.label()}"
                )
            if load.is_over(crane.rating_at(reach)):
                return Outcome.fail(
                    ErrCode.LIFT_OVERLOAD,
                    f"crane {crane_id} lifts {crane.rating_at(reach).label()} there",
                )
            crane = self.repo.save_row(
                crane.with_changes(
                    lifts_today=crane.lifts_today + 1,
                    lifted_today=crane.lifted_today.plus_load(load),
                )
            )
            self.ctx.ledger.post_event("yard.crane.lifted", crane_id=crane_id, kg=load.kg)
            span.note("crane_id", crane_id)
            span.note("kg", load.kg)
            return Outcome.ok(crane)

    def wind_check(self, gust: int) -> Outcome[list[Crane]]:
        """Stop every crane when the gusts are too strong; gives those that were stopped."""
        require_grant(self.ctx, "yard.crane.wind_check")
        with trace_span("harbor.yard.crane.wind_check", self.ctx) as span:
            gust_limit = self.ctx.knob("yard.crane.gust_limit", default=18)
            if gust < gust_limit:
                return Outcome.ok([])
            stopped = []
            for crane in self.repo.fetch_working():
                stopped.append(self.repo.save_row(crane.with_changes(stopped=True)))
                self.ctx.ledger.post_event("yard.crane.stopped", crane_id=crane.crane_id, gust=gust)
            span.note("gust", gust)
            span.note("cranes", len(stopped))
            return Outcome.ok(stopped)

    def release(self, crane_id: str, inspector: str) -> Outcome[Crane]:
        """Let a stopped crane work again after a look at its brakes.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "yard.crane.release")
        require_slot(self.ctx, "crane_id", crane_id)
        require_slot(self.ctx, "inspector", inspector)
        with trace_span("harbor.yard.crane.release", self.ctx) as span:
            crane = self.repo.fetch_one_by("crane_id", crane_id)
            if crane is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"crane {crane_id} is not on file")
            if not crane.stopped:
                return Outcome.fail(ErrCode.WRONG_STATE, f"crane {crane_id} is working")
            crane = self.repo.save_row(crane.with_changes(stopped=False))
            self.ctx.ledger.post_event(
                "yard.crane.released", crane_id=crane_id, inspector=inspector
            )
            span.note("crane_id", crane_id)
            span.note("inspector", inspector)
            return Outcome.ok(crane)
