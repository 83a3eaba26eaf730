"""The house result type. A public function returns an ``Outcome`` and does not raise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from brinemoor.kernel.errcode import ErrCode

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """Either a value or an error code with a detail line. Build it with ``ok`` or ``fail``."""

    payload: T | None
    code: ErrCode | None = None
    detail: str = ""

    @classmethod
    def ok(cls, value: T) -> Outcome[T]:
        """A success that carries ``value``."""
        return cls(payload=value)

    @classmethod
    def fail(cls, code: ErrCode, detail: str) -> Outcome[T]:
        """A failure: ``code`` for machines, ``detail`` for the quay master."""
        return cls(payload=None, code=code, detail=detail)

    @property
    def is_ok(self) -> bool:
        return self.code is None

    def unwrap(self) -> T:
        """The value; calling this on a failure is a bug in the caller."""
        if self.code is not None:
            raise ValueError(f"unwrap on failed outcome {self.code.name}: {self.detail}")
        return self.payload  # type: ignore[return-value]

    def unwrap_or(self, fallback: T) -> T:
        return self.unwrap() if self.is_ok else fallback

    def then(self, step: Callable[[T], Outcome[U]]) -> Outcome[U]:
        """Go on with ``step`` on success; hand the failure through unchanged otherwise."""
        if self.code is not None:
            return Outcome.fail(self.code, self.detail)
        return step(self.unwrap())

    def carry_failure(self) -> Outcome[U]:
        """The same failure under another value type, for early returns."""
        if self.code is None:
            raise ValueError("carry_failure on an outcome that is ok")
        return Outcome.fail(self.code, self.detail)


def collect_outcomes(outcomes: Iterable[Outcome[T]]) -> Outcome[list[T]]:
    """All values in order, or the first failure."""
    values: list[T] = []
    for outcome in outcomes:
        if not outcome.is_ok:
            return outcome.carry_failure()
        values.append(outcome.unwrap())
    return Outcome.ok(values)
