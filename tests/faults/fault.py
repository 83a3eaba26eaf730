"""One row of the fault matrix.

A test is named "FILE::TEST" below tests/. `note` says what a row's tests do not show.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One row: a fault, the behaviour promised, the tests that cause the fault."""

    number: int
    what: str
    promise: str
    tests: tuple[str, ...] = ()
    note: str = ""


def caused_in(file: str, *tests: str) -> tuple[str, ...]:
    return tuple(f"tests/{file}.py::{test}" for test in tests)
