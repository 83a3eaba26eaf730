"""Guard helpers. Every public function begins with them, before its trace span opens.

A guard raises ``GuardBreach``; it means the caller is wrong, not the harbour.
"""

from __future__ import annotations

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.tidetime import TideSpan


class GuardBreach(Exception):
    """A guard did not hold. Carries the code, so that the terminals can show it."""

    def __init__(self, code: ErrCode, detail: str) -> None:
        super().__init__(f"{code.value} {detail}")
        self.code = code
        self.detail = detail


def require_grant(ctx: BerthContext, grant: str) -> None:
    """The actor must hold ``grant``."""
    if not ctx.holds_grant(grant):
        raise GuardBreach(ErrCode.GRANT_MISSING, f"{ctx.actor} lacks {grant}")


def require_slot(ctx: BerthContext, slot: str, value: str) -> None:
    """The text argument named ``slot`` must not be blank."""
    if not value.strip():
        raise GuardBreach(ErrCode.SLOT_EMPTY, f"{slot} is blank at {ctx.port_code}")


def require_positive(ctx: BerthContext, slot: str, amount: int) -> None:
    """The number argument named ``slot`` must be above zero."""
    if amount <= 0:
        raise GuardBreach(ErrCode.NOT_POSITIVE, f"{slot} is {amount} at {ctx.port_code}")


def require_open_span(ctx: BerthContext, slot: str, span: TideSpan) -> None:
    """The span argument named ``slot`` must have a length."""
    if not span.is_open_span():
        raise GuardBreach(ErrCode.SPAN_CLOSED, f"{slot} is closed at {ctx.port_code}")


def require_port(ctx: BerthContext, port_code: str) -> None:
    """Rows of another port are out of reach."""
    if port_code != ctx.port_code:
        raise GuardBreach(ErrCode.PORT_MISMATCH, f"{port_code} is not {ctx.port_code}")
