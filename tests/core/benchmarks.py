"""Small files in the published formats of HumanEval-Infilling and SAFIM, with tasks of our own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]

TEST = """
def check(candidate):
    assert candidate(2, 3) == 13
    assert candidate(0, 5) == 25
"""


def infilling(
    number: int = 0, *, kind: str = "SingleLineInfilling", truth: str = "    first = a * a\n"
) -> dict[str, Any]:
    """A task: the sum of two squares, with one line missing."""
    return {
        "task_id": f"{kind}/HumanEval/{number}/L0",
        "entry_point": "squares",
        "prompt": 'def squares(a, b):\n    """Return the sum of both squares."""\n',
        "suffix": "    second = b * b\n    return first + second\n",
        "canonical_solution": truth,
        "test": TEST,
    }


def block(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A SAFIM block in Python: read numbers, print their sum."""
    code = "total = 0\nfor word in input().split():\n    {hole}\nprint(total)\n"
    return {
        "task_id": f"block_completion_{number:06}",
        "lang": "python",
        "prompt": "# Print the sum of the numbers.\n" + code.format(hole="# TODO: Your code here"),
        "eval_prompt": code.replace("{hole}", "{{completion}}"),
        "ground_truth": "total += int(word)",
        "unit_tests": json.dumps(
            [{"input": "1 2 3\n", "output": ["6\n"]}, {"input": "4\n", "output": ["4"]}]
        ),
        **changes,
    }


def java_control(number: int = 0) -> dict[str, Any]:
    """A SAFIM condition in Java, which is not run here."""
    code = (
        "class Main {\n  public static void main(String[] a) {\n    for ({hole}) {\n"
        "      System.out.println(i);\n    }\n  }\n}\n"
    )
    return {
        "task_id": f"control_completion_{number:06}",
        "lang": "java",
        "prompt": code.replace("{hole}", "/* TODO: Your code here */"),
        "eval_prompt": code.replace("{hole}", "{{completion}}"),
        "ground_truth": "int i = 0; i < 3; i++",
        "unit_tests": [{"input": "", "output": ["0\n1\n2\n"]}],
    }


def api_call(number: int = 0) -> dict[str, Any]:
    """A SAFIM call."""
    code = "import json\n\nfound = {hole}\n"
    return {
        "task_id": f"api_completion_{number:06}",
        "lang": "python",
        "prompt": code.replace("{hole}", "# TODO: Your code here"),
        "eval_prompt": code.replace("{hole}", "{{completion}}"),
        "ground_truth": "json.loads('[1]', parse_int=int, strict=True)",
        "unit_tests": "",
    }


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """Write .jsonl, packed where the name ends so."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
