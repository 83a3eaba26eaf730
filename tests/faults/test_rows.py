from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from tests.faults.__main__ import read_report, table
from tests.faults.fault import Fault
from tests.faults.rows import ROWS


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((PROJECT_ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_fifty_rows_are_numbered_in_order() -> None:
    assert [row.number for row in ROWS] == list(range(1, 51))


def test_every_test_that_a_row_names_is_there() -> None:
    named = [test.partition("::") for row in ROWS for test in row.tests]
    assert [f"{file}::{name}" for file, _, name in named if name not in functions(file)] == []


def test_a_row_is_as_good_as_its_worst_test() -> None:
    row = Fault(1, "a fault", "a promise", ("a.py::one", "a.py::two"))
    good, bad = ({"outcome": outcome, "date": "2026-11-23"} for outcome in ("passed", "failed"))
    assert "| passed 2026-11-23 |" in table([row], {"a.py::one": good, "a.py::two": good})
    assert "| failed: 1 of 2, 2026-11-23 |" in table([row], {"a.py::one": good, "a.py::two": bad})
    assert "| not run: 1 of 2 |" in table([row], {"a.py::one": good})
    assert "| not shown |" in table([Fault(2, "another", "nothing")], {})


def test_results_are_read_by_the_names_of_tests(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.a" name="one[x]"/>'
        '<testcase classname="tests.a" name="one[y]"><failure/></testcase>'
        '<testcase classname="tests.a" name="two"/>'
        "</testsuite></testsuites>",
        encoding="utf-8",
    )
    found = read_report(report, ["tests/a.py::one", "tests/a.py::two"])
    outcomes = {name: result["outcome"] for name, result in found.items()}
    assert outcomes == {"tests/a.py::one": "failed", "tests/a.py::two": "passed"}
