"""Error codes of the house. Every ``Outcome.fail`` names one of these, never free text."""

from __future__ import annotations

from enum import Enum


class ErrCode(Enum):
    """Stable codes: the value is what the quay terminals show, so it is never reused."""

    # Guards
    SLOT_EMPTY = "K-101"
    GRANT_MISSING = "K-102"
    NOT_POSITIVE = "K-103"
    SPAN_CLOSED = "K-104"
    PORT_MISMATCH = "K-105"
    # Rows and forms
    NOT_ON_FILE = "R-201"
    ALREADY_ON_FILE = "R-202"
    FORM_FAULT = "R-203"
    WRONG_STATE = "R-204"
    ROW_LOCKED = "R-205"
    # Tide and berth
    TIDE_WINDOW = "T-301"
    GAUGE_SILENT = "T-302"
    SURGE_WARNING = "T-303"
    BERTH_TAKEN = "T-304"
    DRAFT_TOO_DEEP = "T-305"
    LINE_WORN = "T-306"
    BOTTOM_FOUL = "T-307"
    # Fleet and pilotage
    HULL_UNFIT = "F-401"
    CREW_SHORT = "F-402"
    LICENCE_LAPSED = "F-403"
    TANK_LOW = "F-404"
    TUG_BUSY = "F-405"
    PILOT_RESTING = "F-406"
    ROSTER_CLASH = "F-407"
    # Cargo and cold hold
    OVER_CAPACITY = "C-501"
    LOT_SPOILED = "C-502"
    WEIGHT_DRIFT = "C-503"
    TOO_WARM = "C-504"
    DEFROST_DUE = "C-505"
    SAMPLE_FAILED = "C-506"
    # Money
    RATE_UNKNOWN = "M-601"
    BILL_SEALED = "M-602"
    CREDIT_TOO_LARGE = "M-603"
    PURSE_SHORT = "M-604"
    # Yard, safety and papers
    STACK_FULL = "Y-701"
    LIFT_OVERLOAD = "Y-702"
    GATE_CLOSED = "Y-703"
    PERMIT_LAPSED = "S-801"
    DRILL_OVERDUE = "S-802"
    SPILL_OPEN = "S-803"
    SEAL_BROKEN = "P-901"
    PAPER_MISSING = "P-902"
    STAMP_REFUSED = "P-903"

    @property
    def family(self) -> str:
        """The letter in front of the code, for example ``T`` for tide and berth."""
        return self.value.split("-", 1)[0]

    def is_guard(self) -> bool:
        """Guards are programming or rights errors; they are raised, not returned."""
        return self.family == "K"
