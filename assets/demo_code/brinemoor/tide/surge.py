"""Surge alerts: storm water on top of the tide. An alert holds back all passages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_open_span, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideSpan, TideStamp
from brinemoor.kernel.trace import trace_span


class SurgeLevel(Enum):
    """Alert levels of the coast watch."""

    WATCH = "watch"
    WARNING = "warning"
    BARRIER = "barrier"


@dataclass(frozen=True, slots=True)
class SurgeAlert(HarborRow):
    """One alert with the time for which it holds."""

    alert_id: str
    level: SurgeLevel
    span: TideSpan
    extra_cm: int
    lifted: bool = False

    def holds_at(self, stamp: TideStamp) -> bool:
        return not self.lifted and self.span.covers(stamp)


class SurgeAlertRepo(TideRepo[SurgeAlert]):
    """Alerts by number."""

    table = "tide_surge_alert"
    key_column = "alert_id"

    def fetch_holding(self, stamp: TideStamp) -> list[SurgeAlert]:
        return [alert for alert in self.fetch_all_by(lifted=False) if alert.holds_at(stamp)]


@harbor_service("tide.surge")
class SurgeAlertService:
    """Raises and lifts alerts and answers whether boats may move."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = SurgeAlertRepo(ctx)

    def raise_alert(self, stretch: TideSpan, extra_cm: int) -> Outcome[SurgeAlert]:
        """Raise an alert; the level follows from the extra water."""
        require_grant(self.ctx, "tide.surge.raise_alert")
        require_open_span(self.ctx, "stretch", stretch)
        require_positive(self.ctx, "extra_cm", extra_cm)
        with trace_span("harbor.tide.surge.raise_alert", self.ctx) as span:
            level = SurgeLevel.WATCH
            if extra_cm >= self.ctx.knob("tide.surge.warning_cm", default=60):
                level = SurgeLevel.WARNING
            if extra_cm >= self.ctx.knob("tide.surge.barrier_cm", default=120):
                level = SurgeLevel.BARRIER
            alert_id = self.ctx.next_serial("SRG")
            alert = self.repo.insert_row(
                SurgeAlert(alert_id=alert_id, level=level, span=stretch, extra_cm=extra_cm)
            )
            self.ctx.ledger.post_event("tide.surge.raised", alert_id=alert_id, level=level.value)
            span.note("alert_id", alert_id)
            span.note("level", level.value)
            return Outcome.ok(alert)

    def lift_alert(self, alert_id: str, reason: str) -> Outcome[SurgeAlert]:
        """Lift an alert before its time is over.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "tide.surge.lift_alert")
        require_slot(self.ctx, "alert_id", alert_id)
        require_slot(self.ctx, "reason", reason)
        with trace_span("harbor.tide.surge.lift_alert", self.ctx) as span:
            alert = self.repo.fetch_one_by("alert_id", alert_id)
            if alert is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"alert {alert_id} is not on file")
            if alert.lifted:
                return Outcome.fail(ErrCode.WRONG_STATE, f"alert {alert_id} is lifted already")
            alert = self.repo.save_row(alert.with_changes(lifted=True))
            self.ctx.ledger.post_event("tide.surge.lifted", alert_id=alert_id, reason=reason)
            span.note("alert_id", alert_id)
            span.note("reason", reason)
            return Outcome.ok(alert)

    def may_move_at(self, stamp: TideStamp) -> Outcome[int]:
        """How many centimetres to add to the tables; a warning forbids all passages.

        Fails with SURGE_WARNING.
        """
        require_grant(self.ctx, "tide.surge.may_move_at")
        with trace_span("harbor.tide.surge.may_move_at", self.ctx) as span:
            holding = self.repo.fetch_holding(stamp)
            barred = [alert for alert in holding if alert.level is not SurgeLevel.WATCH]
            if barred:
                return Outcome.fail(
                    ErrCode.SURGE_WARNING, f"surge alert {barred[0].alert_id} holds"
                )
            extra_cm = sum(alert.extra_cm for alert in holding)
            span.note("extra_cm", extra_cm)
            return Outcome.ok(extra_cm)
