"""Haul orders: moves of crates by the straddle carriers, shared out by priority and distance."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span
from brinemoor.yard.stack import CrateStackService


@dataclass(frozen=True, slots=True)
class HaulOrder(HarborRow):
    """One move of one crate."""

    order_no: str
    crate_no: str
    from_stack: str
    to_stack: str
    priority: int = 5
    carrier_id: str = ""
    done: bool = False

    def is_waiting(self) -> bool:
        return not self.done and not self.carrier_id


class HaulOrderRepo(TideRepo[HaulOrder]):
    """Orders by number."""

    table = "yard_haul_order"
    key_column = "order_no"

    def fetch_queue(self) -> list[HaulOrder]:
        """Waiting orders, the most urgent first; one is more urgent than nine."""
        waiting = [order for order in self.fetch_all_by(done=False) if order.is_waiting()]
        return sorted(waiting, key=lambda order: (order.priority, order.order_no))


@harbor_service("yard.haul")
class HaulOrderService:
    """Orders hauls and reports them done."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = HaulOrderRepo(ctx)
        self.stacks = CrateStackService(ctx)

    def order_haul(self, crate_no: str, to_stack: str, priority: int) -> Outcome[HaulOrder]:
        """Order a haul; the crate must lie on top of its stack.

        Fails with NOT_ON_FILE, STACK_FULL.
        """
        require_grant(self.ctx, "yard.haul.order_haul")
        require_slot(self.ctx, "crate_no", crate_no)
        require_slot(self.ctx, "to_stack", to_stack)
        require_positive(self.ctx, "priority", priority)
        with trace_span("harbor.yard.haul.order_haul", self.ctx) as span:
            stack = self.stacks.repo.fetch_with_crate(crate_no)
            if stack is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"crate {crate_no} lies in no stack")
            above = stack.crates_above(crate_no)
            if above > 0:
                return Outcome.fail(
                    ErrCode.STACK_FULL, f"crate {crate_no} has {above} crates on it"
                )
            order_no = self.ctx.next_serial("HAU")
            order = self.repo.insert_row(
                HaulOrder(
                    order_no=order_no,
                    crate_no=crate_no,
                    from_stack=stack.stack_id,
                    to_stack=to_stack,
                    priority=priority,
                )
            )
            self.ctx.ledger.post_event("yard.haul.ordered", order_no=order_no, crate_no=crate_no)
            span.note("order_no", order_no)
            span.note("crate_no", crate_no)
            return Outcome.ok(order)

    def take_next(self, carrier_id: str) -> Outcome[HaulOrder]:
        """Give the most urgent order to a carrier that has none.

        Fails with ROSTER_CLASH, NOT_ON_FILE.
        """
        require_grant(self.ctx, "yard.haul.take_next")
        require_slot(self.ctx, "carrier_id", carrier_id)
        with trace_span("harbor.yard.haul.take_next", self.ctx) as span:
            busy = self.repo.fetch_all_by(carrier_id=carrier_id, done=False)
            if busy:
                return Outcome.fail(
                    ErrCode.ROSTER_CLASH, f"carrier {carrier_id} hauls {busy[0].order_no}"
                )
            queue = self.repo.fetch_queue()
            if not queue:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"no haul is waiting for {carrier_id}")
            order = queue[0]
            order = self.repo.save_row(order.with_changes(carrier_id=carrier_id))
            self.ctx.ledger.post_event(
                "yard.haul.taken", order_no=order.order_no, carrier_id=carrier_id
            )
            span.note("carrier_id", carrier_id)
            span.note("order_no", order.order_no)
            return Outcome.ok(order)

    def finish(self, order_no: str) -> Outcome[HaulOrder]:
        """Move the crate on file and close the order.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "yard.haul.finish")
        require_slot(self.ctx, "order_no", order_no)
        with trace_span("harbor.yard.haul.finish", self.ctx) as span:
            order = self.repo.fetch_one_by("order_no", order_no)
            if order is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"order {order_no} is not on file")
            if order.done or not order.carrier_id:
                return Outcome.fail(ErrCode.WRONG_STATE, f"haul {order_no} is not under way")
            taken = self.stacks.take_top(order.from_stack)
            if not taken.is_ok:
                return taken.carry_failure()
            piled = self.stacks.pile(order.to_stack, taken.unwrap())
            if not piled.is_ok:
                return piled.carry_failure()
            order = self.repo.save_row(order.with_changes(done=True))
            self.ctx.ledger.post_event(
                "yard.haul.finished", order_no=order_no, to_stack=order.to_stack
            )
            span.note("order_no", order_no)
            return Outcome.ok(order)
