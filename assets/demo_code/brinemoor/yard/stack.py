"""Crate stacks: numbered crates piled on the yard. Only the top crate of a stack can be moved."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class CrateStack(HarborRow):
    """One pile, the bottom crate first."""

    stack_id: str
    row_code: str
    height_limit: int
    crates: tuple[str, ...] = ()
    frozen_by: str = ""

    def top_crate(self) -> str:
        return self.crates[-1] if self.crates else ""

    def crates_above(self, crate_no: str) -> int:
        """How many crates lie on top of the given one."""
        return len(self.crates) - 1 - self.crates.index(crate_no)


class CrateStackRepo(TideRepo[CrateStack]):
    """Stacks by number."""

    table = "yard_crate_stack"
    key_column = "stack_id"

    def fetch_with_crate(self, crate_no: str) -> CrateStack | None:
        return next((row for row in self.fetch_all_by() if crate_no in row.crates), None)


@harbor_service("yard.stack")
class CrateStackService:
    """Piles crates up and digs them out."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = CrateStackRepo(ctx)

    def pile(self, stack_id: str, crate_no: str) -> Outcome[CrateStack]:
        """Put a crate on top of a stack.

        Fails with NOT_ON_FILE, ROW_LOCKED, STACK_FULL, ALREADY_ON_FILE.
        """
        require_grant(self.ctx, "yard.stack.pile")
        require_slot(self.ctx, "stack_id", stack_id)
        require_slot(self.ctx, "crate_no", crate_no)
        with trace_span("harbor.yard.stack.pile", self.ctx) as span:
            stack = self.repo.fetch_one_by("stack_id", stack_id)
            if stack is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"stack {stack_id} is not on file")
            if stack.frozen_by:
                return Outcome.fail(
                    ErrCode.ROW_LOCKED, f"stack {stack_id} is frozen by {stack.frozen_by}"
                )
            if len(stack.crates) >= stack.height_limit:
                return Outcome.fail(
                    ErrCode.STACK_FULL, f"stack {stack_id} is {stack.height_limit} crates high"
                )
            other = self.repo.fetch_with_crate(crate_no)
            if other is not None:
                return Outcome.fail(
                    ErrCode.ALREADY_ON_FILE, f"crate {crate_no} lies in {other.stack_id}"
                )
            stack = self.repo.save_row(stack.with_changes(crates=(*stack.crates, crate_no)))
            self.ctx.ledger.post_event("yard.stack.piled", stack_id=stack_id, crate_no=crate_no)
            span.note("stack_id", stack_id)
            span.note("crate_no", crate_no)
            return Outcome.ok(stack)

    def take_top(self, stack_id: str) -> Outcome[str]:
        """Take the top crate off; gives its number.

        Fails with NOT_ON_FILE, ROW_LOCKED.
        """
        require_grant(self.ctx, "yard.stack.take_top")
        require_slot(self.ctx, "stack_id", stack_id)
        with trace_span("harbor.yard.stack.take_top", self.ctx) as span:
            stack = self.repo.fetch_one_by("stack_id", stack_id)
            if stack is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"stack {stack_id} is not on file")
            if not stack.crates:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"stack {stack_id} is empty")
            if stack.frozen_by:
                return Outcome.fail(
                    ErrCode.ROW_LOCKED, f"stack {stack_id} is frozen by {stack.frozen_by}"
                )
            crate_no = stack.top_crate()
            stack = self.repo.save_row(stack.with_changes(crates=stack.crates[:-1]))
            self.ctx.ledger.post_event("yard.stack.taken", stack_id=stack_id, crate_no=crate_no)
            span.note("stack_id", stack_id)
            span.note("crate_no", crate_no)
            return Outcome.ok(crate_no)

    def freeze(self, stack_id: str, permit_no: str) -> Outcome[CrateStack]:
        """Freeze a stack while people work next to it.

        Fails with NOT_ON_FILE, ROW_LOCKED.
        """
        require_grant(self.ctx, "yard.stack.freeze")
        require_slot(self.ctx, "stack_id", stack_id)
        require_slot(self.ctx, "permit_no", permit_no)
        with trace_span("harbor.yard.stack.freeze", self.ctx) as span:
            stack = self.repo.fetch_one_by("stack_id", stack_id)
            if stack is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"stack {stack_id} is not on file")
            if stack.frozen_by and stack.frozen_by != permit_no:
                return Outcome.fail(
                    ErrCode.ROW_LOCKED, f"stack {stack_id} is frozen by {stack.frozen_by}"
                )
            stack = self.repo.save_row(stack.with_changes(frozen_by=permit_no))
            self.ctx.ledger.post_event("yard.stack.frozen", stack_id=stack_id, permit_no=permit_no)
            span.note("stack_id", stack_id)
            span.note("permit_no", permit_no)
            return Outcome.ok(stack)
