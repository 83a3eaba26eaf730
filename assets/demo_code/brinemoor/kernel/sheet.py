"""The quay sheet: a plain text table that is built line by line and then sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from brinemoor.kernel.context import BerthContext


@dataclass(slots=True)
class SheetColumn:
    """A heading and the side its cells lean to."""

    heading: str
    lean: str = "left"


@dataclass(slots=True)
class QuaySheet:
    """A report under construction. After ``seal`` it can be printed but not changed."""

    title: str
    ctx: BerthContext
    columns: list[SheetColumn] = field(default_factory=list)
    lines: list[list[str]] = field(default_factory=list)
    totals: dict[str, str] = field(default_factory=dict)
    sealed: bool = False

    def add_column(self, heading: str, lean: str = "left") -> None:
        self.columns.append(SheetColumn(heading, lean))

    def add_line(self, *cells: Any) -> None:
        """One line; values with a ``label`` method print that label."""
        if self.sealed:
            raise ValueError(f"sheet {self.title} is sealed")
        if len(cells) != len(self.columns):
            raise ValueError(f"sheet {self.title} wants {len(self.columns)} cells")
        self.lines.append([_cell_text(cell) for cell in cells])

    def add_total(self, heading: str, value: Any) -> None:
        self.totals[heading] = _cell_text(value)

    def seal(self) -> QuaySheet:
        self.sealed = True
        return self

    def as_text(self) -> str:
        """The sheet as the office printer wants it."""
        table = [[column.heading for column in self.columns], *self.lines]
        widths = [max(len(line[index]) for line in table) for index in range(len(self.columns))]
        printed = [f"{self.title} at {self.ctx.port_code}"]
        for line in table:
            cells = [
                cell.rjust(width) if column.lean == "right" else cell.ljust(width)
                for cell, width, column in zip(line, widths, self.columns, strict=True)
            ]
            printed.append("  ".join(cells).rstrip())
        printed.extend(f"{heading}: {value}" for heading, value in self.totals.items())
        return "\n".join(printed)


def _cell_text(cell: Any) -> str:
    label = getattr(cell, "label", None)
    return str(label()) if callable(label) else str(cell)
