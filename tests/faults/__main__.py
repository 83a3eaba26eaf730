"""Run the tests of the fault matrix and write tests/FAULTS.md: `python -m tests.faults`.

--rows 1,2,16   run the tests of these rows only; the others keep the result of their last run
--only TEXT     run those tests only that have TEXT in their name, such as tests/core
--write         run nothing, only write the table
Results are kept in tests/faults/results.json, one per test with its date.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from codetune_ui.core.assets import PROJECT_ROOT
from tests.faults.fault import Fault
from tests.faults.rows import ROWS

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
TABLE = PROJECT_ROOT / "tests" / "FAULTS.md"
HEAD = """\
# What goes wrong, and what happens then

Written by `python -m tests.faults` from `tests/faults/rows_*.py` and the tests' last results.
A test causes the fault; where there are several, the row passes when all of them do. "not shown":
no test causes it. Text in italics says what is not as wished, or not shown.

"""

Results = dict[str, dict[str, str]]  # test → {"outcome": passed | failed | skipped, "date": day}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, note the results, write the table; 1 when a test failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--rows", default="", help="numbers, with commas between")
    parser.add_argument("--only", default="", help="a part of a test's name")
    parser.add_argument("--write", action="store_true", help="only write the table")
    asked = parser.parse_args(arguments)
    chosen = {int(number) for number in asked.rows.split(",") if number}
    code, found = 0, Results()
    if not asked.write:
        tests = {test for row in ROWS if not chosen or row.number in chosen for test in row.tests}
        code, found = run_tests(sorted(test for test in tests if asked.only in test))
    results: Results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results |= found
    known = {test for row in ROWS for test in row.tests}
    results = {test: result for test, result in sorted(results.items()) if test in known}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    TABLE.write_text(table(ROWS, results), encoding="utf-8")
    return code


def run_tests(tests: Sequence[str]) -> tuple[int, Results]:
    """Run tests by name, those marked slow too; return pytest's status and each result."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-m", "not gpu", f"--junitxml={report}", *tests]
        code = subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode
        return code, read_report(report, tests) if report.exists() else {}


def read_report(report: Path, tests: Sequence[str]) -> Results:
    """Return the results in a JUnit file; a test with several cases is as good as its worst."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    found: Results = {}
    for case in ElementTree.parse(report).iter("testcase"):
        file = str(case.get("classname")).replace(".", "/") + ".py"
        name = f"{file}::{str(case.get('name')).partition('[')[0]}"
        if name in tests:
            outcomes = (_outcome(case), found.get(name, {}).get("outcome", "passed"))
            worst = min(outcomes, key=("failed", "skipped", "passed").index)
            found[name] = {"outcome": worst, "date": today}
    return found


def _outcome(case: ElementTree.Element) -> str:
    tags = {child.tag for child in case}
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


def table(rows: Iterable[Fault], results: Results) -> str:
    """Return the whole page."""
    lines = ["| # | fault | what must happen | tests | result |", "|---|---|---|---|---|"]
    said = [_verdict(row, results) for row in rows]
    for row, verdict in zip(rows, said, strict=True):
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in row.tests) or "–"
        promise = row.promise + (f" *{row.note}*" if row.note else "")
        lines.append(f"| {row.number} | {row.what} | {promise} | {tests} | {verdict} |")
    shown = sum(verdict.startswith("passed") for verdict in said)
    count = f"{shown} of {len(said)} rows are shown by tests that passed.\n\n"
    return HEAD + count + "\n".join(lines) + "\n"


def _verdict(row: Fault, results: Results) -> str:
    if not row.tests:
        return "not shown"
    found = [results.get(test) for test in row.tests]
    known = [result for result in found if result]
    for outcome in ("failed", "skipped"):
        some = sum(result["outcome"] == outcome for result in known)
        if some:
            return f"{outcome}: {some} of {len(found)}, {max(r['date'] for r in known)}"
    if len(known) < len(found):
        return f"not run: {len(found) - len(known)} of {len(found)}"
    return f"passed {min(result['date'] for result in known)}"


if __name__ == "__main__":
    sys.exit(main())
