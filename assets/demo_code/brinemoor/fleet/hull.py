"""Hulls: the barges and cutters that carry kelp between the growing lines and the quay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_port, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft, Tonnage
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


class HullState(Enum):
    """Where a hull is in its working life."""

    READY = "ready"
    AT_SEA = "at_sea"
    LAID_UP = "laid_up"
    SCRAPPED = "scrapped"


class HullKind(Enum):
    """Build of a hull. It decides the tariff band and the tug duty."""

    BARGE = "barge"
    CUTTER = "cutter"
    TENDER = "tender"

    def needs_tug(self) -> bool:
        """Only barges have no drive of their own."""
        return self is HullKind.BARGE


@dataclass(frozen=True, slots=True)
class Hull(HarborRow):
    """One hull on the register."""

    hull_no: str
    port_code: str
    kind: HullKind
    draft: Draft
    hold_limit: Tonnage
    state: HullState = HullState.READY
    fit_until: TideStamp = TideStamp(0)

    def is_fit_at(self, stamp: TideStamp) -> bool:
        """A hull stays fit until the end of its last survey."""
        return self.state is not HullState.SCRAPPED and stamp < self.fit_until


class HullRepo(TideRepo[Hull]):
    """All hulls of the register, by hull number."""

    table = "fleet_hull"
    key_column = "hull_no"

    def fetch_fit_at(self, stamp: TideStamp) -> list[Hull]:
        return [hull for hull in self.fetch_all_by(state=HullState.READY) if hull.is_fit_at(stamp)]


@harbor_service("fleet.hull")
class HullService:
    """Keeps the hull register of the port."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = HullRepo(ctx)

    def enlist(
        self, hull_no: str, kind: HullKind, draft: Draft, hold_limit: Tonnage
    ) -> Outcome[Hull]:
        """Enter a new hull. It is not fit before its first survey.

        Fails with ALREADY_ON_FILE.
        """
        require_grant(self.ctx, "fleet.hull.enlist")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "draft", draft.cm)
        require_positive(self.ctx, "hold_limit", hold_limit.kg)
        with trace_span("harbor.fleet.hull.enlist", self.ctx) as span:
            if self.repo.holds_key(hull_no):
                return Outcome.fail(ErrCode.ALREADY_ON_FILE, f"hull {hull_no} is already on file")
            # Quay note: an unsurveyed hull gets the current stamp, so that it is unfit from now on.
            hull = self.repo.insert_row(
                Hull(
                    hull_no=hull_no,
                    port_code=self.ctx.port_code,
                    kind=kind,
                    draft=draft,
                    hold_limit=hold_limit,
                    fit_until=self.ctx.clock.now_stamp(),
                )
            )
            self.ctx.ledger.post_event("fleet.hull.enlisted", hull_no=hull_no, kind=kind.value)
            span.note("hull_no", hull_no)
            return Outcome.ok(hull)

    def put_to_sea(self, hull_no: str) -> Outcome[Hull]:
        """Send a ready hull out to the growing lines.

        Fails with NOT_ON_FILE, WRONG_STATE, HULL_UNFIT.
        """
        require_grant(self.ctx, "fleet.hull.put_to_sea")
        require_slot(self.ctx, "hull_no", hull_no)
        with trace_span("harbor.fleet.hull.put_to_sea", self.ctx) as span:
            hull = self.repo.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            if hull.state is not HullState.READY:
                return Outcome.fail(ErrCode.WRONG_STATE, f"hull {hull_no} is {hull.state.value}")
            if not hull.is_fit_at(self.ctx.clock.now_stamp()):
                return Outcome.fail(
                    ErrCode.HULL_UNFIT, f"hull {hull_no} was fit until {hull.fit_until.label()}"
                )
            hull = self.repo.save_row(hull.with_changes(state=HullState.AT_SEA))
            self.ctx.ledger.post_event("fleet.hull.sailed", hull_no=hull_no)
            span.note("hull_no", hull_no)
            return Outcome.ok(hull)

    def bring_home(self, hull_no: str) -> Outcome[Hull]:
        """Note that a hull is back from sea.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "fleet.hull.bring_home")
        require_slot(self.ctx, "hull_no", hull_no)
        with trace_span("harbor.fleet.hull.bring_home", self.ctx) as span:
            hull = self.repo.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            if hull.state is not HullState.AT_SEA:
                return Outcome.fail(ErrCode.WRONG_STATE, f"hull {hull_no} is {hull.state.value}")
            hull = self.repo.save_row(hull.with_changes(state=HullState.READY))
            self.ctx.ledger.post_event("fleet.hull.returned", hull_no=hull_no)
            span.note("hull_no", hull_no)
            return Outcome.ok(hull)

    def extend_fitness(self, hull_no: str, days: int) -> Outcome[Hull]:
        """Extend the fitness of a hull after a survey; never shorten it.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "fleet.hull.extend_fitness")
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "days", days)
        with trace_span("harbor.fleet.hull.extend_fitness", self.ctx) as span:
            hull = self.repo.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            require_port(self.ctx, hull.port_code)
            fit_until = self.ctx.clock.now_stamp().plus_days(days)
            if fit_until < hull.fit_until:
                return Outcome.fail(
                    ErrCode.WRONG_STATE, f"hull {hull_no} is fit for longer already"
                )
            hull = self.repo.save_row(hull.with_changes(fit_until=fit_until))
            self.ctx.ledger.post_event("fleet.hull.extended", hull_no=hull_no, days=days)
            span.note("hull_no", hull_no)
            span.note("days", days)
            return Outcome.ok(hull)
