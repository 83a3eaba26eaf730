"""Tide windows: the stretches of time in which the water over the sill is deep enough."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_open_span, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Draft
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideSpan, TideStamp
from brinemoor.kernel.trace import trace_span


class WindowState(Enum):
    """A window is forecast first and confirmed by the gauge later."""

    FORECAST = "forecast"
    CONFIRMED = "confirmed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TideWindow(HarborRow):
    """One window over the harbour sill."""

    window_id: str
    span: TideSpan
    sill_depth: Draft
    state: WindowState = WindowState.FORECAST
    booked_hulls: tuple[str, ...] = ()

    def admits(self, draft: Draft, keel_cm: int) -> bool:
        """Whether ``draft`` passes the sill with ``keel_cm`` of water under the keel."""
        return draft.clearance_under(self.sill_depth) >= keel_cm


class TideWindowRepo(TideRepo[TideWindow]):
    """Windows by number."""

    table = "tide_tide_window"
    key_column = "window_id"

    def fetch_covering(self, stamp: TideStamp) -> TideWindow | None:
        usable = [row for row in self.fetch_all_by() if row.state is not WindowState.CLOSED]
        return next((window for window in usable if window.span.covers(stamp)), None)


@harbor_service("tide.window")
class TideWindowService:
    """Opens windows, confirms them and books hulls into them."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = TideWindowRepo(ctx)

    def forecast(self, stretch: TideSpan, sill_depth: Draft) -> Outcome[TideWindow]:
        """Put a window of the almanac on file.

        Fails with TIDE_WINDOW.
        """
        require_grant(self.ctx, "tide.window.forecast")
        require_open_span(self.ctx, "stretch", stretch)
        require_positive(self.ctx, "sill_depth", sill_depth.cm)
        with trace_span("harbor.tide.window.forecast", self.ctx) as span:
            clash = [row for row in self.repo.fetch_all_by() if row.span.overlaps(stretch)]
            if clash:
                return Outcome.fail(
                    ErrCode.TIDE_WINDOW, f"span {stretch.label()} clashes with another window"
                )
            window_id = self.ctx.next_serial("WIN")
            window = self.repo.insert_row(
                TideWindow(window_id=window_id, span=stretch, sill_depth=sill_depth)
            )
            self.ctx.ledger.post_event(
                "tide.window.forecast", window_id=window_id, minutes=stretch.length_minutes()
            )
            span.note("window_id", window_id)
            return Outcome.ok(window)

    def book_passage(self, window_id: str, hull_no: str, draft: Draft) -> Outcome[TideWindow]:
        """Book one hull over the sill.

        Fails with NOT_ON_FILE, TIDE_WINDOW, DRAFT_TOO_DEEP.
        """
        require_grant(self.ctx, "tide.window.book_passage")
        require_slot(self.ctx, "window_id", window_id)
        require_slot(self.ctx, "hull_no", hull_no)
        require_positive(self.ctx, "draft", draft.cm)
        with trace_span("harbor.tide.window.book_passage", self.ctx) as span:
            window = self.repo.fetch_one_by("window_id", window_id)
            if window is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"window {window_id} is not on file")
            if window.state is WindowState.CLOSED:
                return Outcome.fail(ErrCode.TIDE_WINDOW, f"window {window_id} is closed")
            keel_cm = self.ctx.knob("tide.window.keel_cm", default=30)
            if not window.admits(draft, keel_cm):
                return Outcome.fail(
                    ErrCode.DRAFT_TOO_DEEP, f"draft {draft.label()} is too deep for {window_id}"
                )
            # Tide rule: the lock master needs ten minutes for each hull.
            places = window.span.length_minutes() // 10
            if len(window.booked_hulls) >= places:
                return Outcome.fail(ErrCode.TIDE_WINDOW, f"window {window_id} has no place left")
            window = self.repo.save_row(
                window.with_changes(booked_hulls=(*window.booked_hulls, hull_no))
            )
            self.ctx.ledger.post_event("tide.window.booked", window_id=window_id, hull_no=hull_no)
            span.note("window_id", window_id)
            span.note("hull_no", hull_no)
            return Outcome.ok(window)

    def confirm_depth(self, window_id: str, measured: Draft) -> Outcome[TideWindow]:
        """Replace the forecast depth by the measured one.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "tide.window.confirm_depth")
        require_slot(self.ctx, "window_id", window_id)
        require_positive(self.ctx, "measured", measured.cm)
        with trace_span("harbor.tide.window.confirm_depth", self.ctx) as span:
            window = self.repo.fetch_one_by("window_id", window_id)
            if window is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"window {window_id} is not on file")
            if window.state is not WindowState.FORECAST:
                return Outcome.fail(
                    ErrCode.WRONG_STATE, f"window {window_id} is {window.state.value}"
                )
            window = self.repo.save_row(
                window.with_changes(sill_depth=measured, state=WindowState.CONFIRMED)
            )
            self.ctx.ledger.post_event(
                "tide.window.confirmed", window_id=window_id, depth_cm=measured.cm
            )
            span.note("window_id", window_id)
            return Outcome.ok(window)
