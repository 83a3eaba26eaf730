"""The quay form: takes typed fields from a terminal payload and collects all faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.quantity import Chill, Draft, Tonnage
from brinemoor.kernel.tidetime import TideSpan, TideStamp

T = TypeVar("T")
Payload = Mapping[str, Any]


class QuayForm:
    """Reads one payload. A missing or wrong field adds a fault and yields a neutral value."""

    def __init__(self, payload: Payload, ctx: BerthContext) -> None:
        self.payload = payload
        self.ctx = ctx
        self.faults: list[str] = []

    def take_text(self, field: str) -> str:
        value = self.payload.get(field)
        if not isinstance(value, str) or not value.strip():
            self.faults.append(f"{field} must be text")
            return ""
        return value.strip()

    def take_count(self, field: str) -> int:
        value = self.payload.get(field)
        if isinstance(value, bool) or not isinstance(value, int):
            self.faults.append(f"{field} must be a whole number")
            return 0
        return value

    def take_tonnage(self, field: str) -> Tonnage:
        return Tonnage.of_kg(self.take_count(field))

    def take_draft(self, field: str) -> Draft:
        return Draft.of_cm(self.take_count(field))

    def take_chill(self, field: str) -> Chill:
        return Chill.of_decideg(self.take_count(field))

    def take_dues(self, field: str) -> Dues:
        return Dues.of_cents(self.take_count(field))

    def take_stamp(self, field: str) -> TideStamp:
        return TideStamp(self.take_count(field))

    def take_span(self, field: str) -> TideSpan:
        """A span travels as two fields, ``<field>_opens`` and ``<field>_closes``."""
        return TideSpan(self.take_stamp(f"{field}_opens"), self.take_stamp(f"{field}_closes"))

    def add_fault(self, fault: str) -> None:
        self.faults.append(fault)

    def has_faults(self) -> bool:
        return bool(self.faults)

    def as_failure(self) -> Outcome[T]:
        """All faults in one failure, so that the terminal can mark every field."""
        return Outcome.fail(ErrCode.FORM_FAULT, "; ".join(self.faults))
