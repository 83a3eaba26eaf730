"""House quantities. Whole units only, so that two ledgers can never differ by a rounding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Tonnage:
    """A mass in whole kilograms."""

    kg: int

    @classmethod
    def of_kg(cls, kg: int) -> Tonnage:
        return cls(kg)

    @classmethod
    def of_tonnes(cls, tonnes: int) -> Tonnage:
        return cls(tonnes * 1000)

    @classmethod
    def none(cls) -> Tonnage:
        return cls(0)

    def plus_load(self, other: Tonnage) -> Tonnage:
        return Tonnage(self.kg + other.kg)

    def minus_load(self, other: Tonnage) -> Tonnage:
        """Never below nothing: a hold cannot carry a negative load."""
        return Tonnage(max(0, self.kg - other.kg))

    def share_bp(self, basis_points: int) -> Tonnage:
        return Tonnage(self.kg * basis_points // 10_000)

    def is_over(self, limit: Tonnage) -> bool:
        return self.kg > limit.kg

    def started_tonnes(self) -> int:
        """Tariffs count every started tonne as a whole one."""
        return -(-self.kg // 1000)

    def label(self) -> str:
        return f"{self.kg} kg"


@dataclass(frozen=True, slots=True, order=True)
class Draft:
    """A depth or length in whole centimetres."""

    cm: int

    @classmethod
    def of_cm(cls, cm: int) -> Draft:
        return cls(cm)

    @classmethod
    def of_metres(cls, metres: int) -> Draft:
        return cls(metres * 100)

    def deeper_by(self, cm: int) -> Draft:
        return Draft(self.cm + cm)

    def is_over(self, limit: Draft) -> bool:
        return self.cm > limit.cm

    def clearance_under(self, water: Draft) -> int:
        """Centimetres of water left under the keel; negative means aground."""
        return water.cm - self.cm

    def label(self) -> str:
        return f"{self.cm / 100:.2f} m"


@dataclass(frozen=True, slots=True, order=True)
class Chill:
    """A temperature in tenths of a degree Celsius."""

    decideg: int

    @classmethod
    def of_decideg(cls, decideg: int) -> Chill:
        return cls(decideg)

    def warmer_than(self, limit: Chill) -> bool:
        return self.decideg > limit.decideg

    def offset_by(self, decideg: int) -> Chill:
        return Chill(self.decideg + decideg)

    def label(self) -> str:
        return f"{self.decideg / 10:.1f} C"


def total_load(loads: Iterable[Tonnage]) -> Tonnage:
    """Sum of loads; nothing at all weighs nothing."""
    total = Tonnage.none()
    for load in loads:
        total = total.plus_load(load)
    return total
