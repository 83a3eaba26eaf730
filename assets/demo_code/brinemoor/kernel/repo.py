"""Row and repository bases. Rows are frozen; a change makes a new row and saves it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar, cast

from brinemoor.kernel.context import BerthContext

RowT = TypeVar("RowT", bound="HarborRow")


@dataclass(frozen=True, slots=True)
class HarborRow:
    """Base of all rows."""

    def with_changes(self: RowT, **changes: Any) -> RowT:
        """A copy with ``changes``; the row itself stays as it is."""
        return replace(self, **changes)


class TideRepo(Generic[RowT]):
    """Base of all repositories: one table, one key column, rows of one type."""

    table: ClassVar[str]
    key_column: ClassVar[str]

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self._rows: dict[str, Any] = ctx.store.table(self.table)

    def fetch_one_by(self, column: str, value: Any) -> RowT | None:
        """The first row whose ``column`` equals ``value``, or nothing."""
        if column == self.key_column:
            return cast("RowT | None", self._rows.get(value))
        for row in self._ordered():
            if getattr(row, column) == value:
                return row
        return None

    def fetch_all_by(self, **match: Any) -> list[RowT]:
        """All rows that equal every given column, in key order."""
        return [
            row
            for row in self._ordered()
            if all(getattr(row, column) == value for column, value in match.items())
        ]

    def count_by(self, **match: Any) -> int:
        return len(self.fetch_all_by(**match))

    def holds_key(self, key: str) -> bool:
        return key in self._rows

    def insert_row(self, row: RowT) -> RowT:
        """Add a row whose key must be new; check ``holds_key`` first."""
        key = getattr(row, self.key_column)
        if key in self._rows:
            raise KeyError(f"{self.table} already holds {key}")
        self._rows[key] = row
        return row

    def save_row(self, row: RowT) -> RowT:
        self._rows[getattr(row, self.key_column)] = row
        return row

    def drop_row(self, key: str) -> None:
        self._rows.pop(key, None)

    def _ordered(self) -> list[RowT]:
        return [self._rows[key] for key in sorted(self._rows)]
