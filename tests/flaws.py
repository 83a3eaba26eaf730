"""Ask pip-audit for known flaws of what is installed: `python -m tests.flaws`.

Exit status 1 when there is one that tests/flaws.txt does not name with a reason. Where no service
can be asked it says so and lets the rest go on: a machine without a network is no flaw.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REVIEWED = Path(__file__).with_name("flaws.txt")
PATIENCE_S = 600


def main() -> int:
    """Ask, and say what came of it."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--local",
        "--format=json",
        "--progress-spinner=off",
    ]
    for known in reviewed(REVIEWED.read_text(encoding="utf-8")):
        command += ["--ignore-vuln", known]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _unknown(type(error).__name__)
    try:
        answer = json.loads(asked.stdout)
    except ValueError:
        return _unknown((asked.stderr.strip().splitlines() or ["no answer"])[-1][:200])
    found = flaws(answer)
    for line in found:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(answer['dependencies'])} packages asked about, {len(found)} flaws\n")
    return 1 if found else 0


def reviewed(text: str) -> list[str]:
    """Return the ids of a list of reviewed flaws; a line without a reason is an error."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#"]
    for line in lines:
        if len(line) < 2:
            raise ValueError(f"{line[0]} has no reason beside it.")
    return [line[0] for line in lines]


def flaws(answer: dict[str, Any]) -> list[str]:
    """Return one line for each flaw: package, version, id, and the versions without it."""
    return [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions'])}"
        for one in answer["dependencies"]
        for flaw in one.get("vulns", [])
    ]


def _unknown(why: str) -> int:
    sys.stdout.write(f"Known flaws were NOT looked for: no advisory service answered ({why}).\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
