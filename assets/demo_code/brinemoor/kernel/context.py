"""The berth context: everything a service may touch, handed in and never imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from brinemoor.kernel.ledger import HarborLedger
from brinemoor.kernel.tidetime import TideClock

ALL_GRANTS = "*"


class QuayStore:
    """In-memory tables by name. Production swaps in the harbour database behind it."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Any]] = {}

    def table(self, name: str) -> dict[str, Any]:
        return self._tables.setdefault(name, {})


@dataclass(slots=True)
class SpanRecord:
    """What a trace span left behind: its name, its notes and how it ended."""

    name: str
    notes: dict[str, Any] = field(default_factory=dict)
    broke_with: str = ""


@dataclass(slots=True)
class BerthContext:
    """One request on one port. Services keep it as ``self.ctx``."""

    port_code: str
    actor: str
    clock: TideClock
    ledger: HarborLedger
    store: QuayStore
    grants: frozenset[str] = frozenset()
    knobs: dict[str, int] = field(default_factory=dict)
    spans: list[SpanRecord] = field(default_factory=list)

    def holds_grant(self, grant: str) -> bool:
        """Grants are exact names, a package wildcard such as ``berth.*``, or everything."""
        if ALL_GRANTS in self.grants or grant in self.grants:
            return True
        return f"{grant.split('.', 1)[0]}.*" in self.grants

    def knob(self, name: str, default: int) -> int:
        """A tunable number of the port, for example ``berth.slip.idle_minutes``."""
        return self.knobs.get(name, default)

    def next_serial(self, prefix: str) -> str:
        """The next running number of a series, for example ``LOT-0007``."""
        series = self.store.table("kernel_series")
        series[prefix] = series.get(prefix, 0) + 1
        return f"{prefix}-{series[prefix]:04d}"
