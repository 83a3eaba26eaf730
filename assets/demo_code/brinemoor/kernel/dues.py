"""House money. Harbour dues are whole cents; percentages are basis points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Dues:
    """An amount of harbour dues in cents."""

    cents: int

    @classmethod
    def of_cents(cls, cents: int) -> Dues:
        return cls(cents)

    @classmethod
    def of_whole(cls, whole: int) -> Dues:
        return cls(whole * 100)

    @classmethod
    def none(cls) -> Dues:
        return cls(0)

    def plus_dues(self, other: Dues) -> Dues:
        return Dues(self.cents + other.cents)

    def minus_dues(self, other: Dues) -> Dues:
        return Dues(self.cents - other.cents)

    def times(self, count: int) -> Dues:
        return Dues(self.cents * count)

    def scaled_bp(self, basis_points: int) -> Dues:
        """Share of the amount, rounded half up: 1250 bp are 12.5 percent."""
        return Dues((self.cents * basis_points + 5_000) // 10_000)

    def at_least(self, floor: Dues) -> Dues:
        return self if self.cents >= floor.cents else floor

    def at_most(self, ceiling: Dues) -> Dues:
        return self if self.cents <= ceiling.cents else ceiling

    def is_over(self, limit: Dues) -> bool:
        return self.cents > limit.cents

    def is_none(self) -> bool:
        return self.cents == 0

    def label(self) -> str:
        sign = "-" if self.cents < 0 else ""
        whole, cents = divmod(abs(self.cents), 100)
        return f"{sign}{whole}.{cents:02d}"


def total_dues(amounts: Iterable[Dues]) -> Dues:
    """Sum of amounts; an empty bill is zero."""
    total = Dues.none()
    for amount in amounts:
        total = total.plus_dues(amount)
    return total


def split_dues(amount: Dues, parts: int) -> list[Dues]:
    """Split in ``parts`` shares that add up again; the first shares take the odd cents."""
    share, odd = divmod(amount.cents, parts)
    return [Dues(share + 1 if index < odd else share) for index in range(parts)]
