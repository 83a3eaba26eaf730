"""The truck gate: who is on the premises, since when, and on which manifest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.cargo.manifest import ManifestRepo
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_open_span, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideSpan, TideStamp
from brinemoor.kernel.trace import trace_span


class GatePassState(Enum):
    """The life of a gate pass."""

    ISSUED = "issued"
    INSIDE = "inside"
    USED = "used"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class GatePass(HarborRow):
    """A pass for one truck and one manifest."""

    pass_no: str
    plate: str
    manifest_no: str
    valid: TideSpan
    state: GatePassState = GatePassState.ISSUED
    entered_at: TideStamp | None = None


class GatePassRepo(TideRepo[GatePass]):
    """Passes by number."""

    table = "yard_gate_pass"
    key_column = "pass_no"

    def fetch_inside(self) -> list[GatePass]:
        """Passes of the trucks that are on the premises now."""
        return self.fetch_all_by(state=GatePassState.INSIDE)


@harbor_service("yard.gate")
class GatePassService:
    """Issues passes and opens the gate."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = GatePassRepo(ctx)
        self.manifests = ManifestRepo(ctx)

    def issue_pass(self, plate: str, manifest_no: str, valid: TideSpan) -> Outcome[GatePass]:
        """Issue a pass for a manifest that has not departed.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "yard.gate.issue_pass")
        require_slot(self.ctx, "plate", plate)
        require_slot(self.ctx, "manifest_no", manifest_no)
        require_open_span(self.ctx, "valid", valid)
        with trace_span("harbor.yard.gate.issue_pass", self.ctx) as span:
            manifest = self.manifests.fetch_one_by("manifest_no", manifest_no)
            if manifest is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"manifest {manifest_no} is not on file")
            if not manifest.is_open():
                return Outcome.fail(ErrCode.WRONG_STATE, f"manifest {manifest_no} has departed")
            pass_no = self.ctx.next_serial("GTP")
            gate_pass = self.repo.insert_row(
                GatePass(pass_no=pass_no, plate=plate, manifest_no=manifest_no, valid=valid)
            )
            self.ctx.ledger.post_event("yard.gate.issued", pass_no=pass_no, manifest_no=manifest_no)
            span.note("pass_no", pass_no)
            span.note("manifest_no", manifest_no)
            return Outcome.ok(gate_pass)

    def drive_in(self, pass_no: str) -> Outcome[GatePass]:
        """Let a truck in while its pass is valid and the yard has room.

        Fails with NOT_ON_FILE, WRONG_STATE, GATE_CLOSED.
        """
        require_grant(self.ctx, "yard.gate.drive_in")
        require_slot(self.ctx, "pass_no", pass_no)
        with trace_span("harbor.yard.gate.drive_in", self.ctx) as span:
            gate_pass = self.repo.fetch_one_by("pass_no", pass_no)
            if gate_pass is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"gate_pass {pass_no} is not on file")
            now = self.ctx.clock.now_stamp()
            if gate_pass.state is not GatePassState.ISSUED:
                return Outcome.fail(
                    ErrCode.WRONG_STATE, f"pass {pass_no} is {gate_pass.state.value}"
                )
            if not gate_pass.valid.covers(now):
                return Outcome.fail(
                    ErrCode.GATE_CLOSED, f"pass {pass_no} holds {gate_pass.valid.label()}"
                )
            truck_limit = self.ctx.knob("yard.gate.truck_limit", default=6)
            if len(self.repo.fetch_inside()) >= truck_limit:
                return Outcome.fail(ErrCode.GATE_CLOSED, f"the yard has {truck_limit} trucks in it")
            gate_pass = self.repo.save_row(
                gate_pass.with_changes(state=GatePassState.INSIDE, entered_at=now)
            )
            self.ctx.ledger.post_event(
                "yard.gate.driven_in", pass_no=pass_no, plate=gate_pass.plate
            )
            span.note("pass_no", pass_no)
            span.note("plate", gate_pass.plate)
            return Outcome.ok(gate_pass)

    def drive_out(self, pass_no: str) -> Outcome[int]:
        """Let a truck out; gives the minutes that it has spent inside.

        Fails with NOT_ON_FILE, WRONG_STATE.
        """
        require_grant(self.ctx, "yard.gate.drive_out")
        require_slot(self.ctx, "pass_no", pass_no)
        with trace_span("harbor.yard.gate.drive_out", self.ctx) as span:
            gate_pass = self.repo.fetch_one_by("pass_no", pass_no)
            if gate_pass is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"gate_pass {pass_no} is not on file")
            if gate_pass.entered_at is None:
                return Outcome.fail(ErrCode.WRONG_STATE, f"pass {pass_no} is not inside")
            minutes = gate_pass.entered_at.minutes_until(self.ctx.clock.now_stamp())
            gate_pass = self.repo.save_row(gate_pass.with_changes(state=GatePassState.USED))
            self.ctx.ledger.post_event("yard.gate.driven_out", pass_no=pass_no, minutes=minutes)
            span.note("pass_no", pass_no)
            span.note("minutes", minutes)
            return Outcome.ok(minutes)
