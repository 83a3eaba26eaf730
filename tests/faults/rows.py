"""The rows of the fault matrix: what goes wrong, what must happen, which tests cause it."""

from __future__ import annotations

from tests.faults import rows_of_input, rows_of_runs

ROWS = rows_of_runs.ROWS + rows_of_input.ROWS
