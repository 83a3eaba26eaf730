"""Published figures of the benchmarks, each with its source and with what differs from ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

FIM_SE = "FIM-SE, arXiv 2405.17103, table 2"
BAVARIAN = "Bavarian et al., arXiv 2207.14255"
QWEN = "Qwen2.5-Coder report, arXiv 2409.12186"
SAFIM = "SAFIM's own README, github.com/gonglinyuan/safim"
PASS = "pass@1 in %; their harness and their cut of answers"
LINES = (
    "first-line exact match in %, on the Python part of SantaCoder-FIM, another cut of HumanEval"
)
ALL = "pass@1 in % over C++, Java, Python and C#"


@dataclass(frozen=True)
class Reference:
    """One figure, in percent."""

    model: str
    value: float
    note: str
    source: str


# single line, multi-line, random span
_HUMANEVAL: tuple[tuple[str, str, float, float, float], ...] = (
    ("StarCoder-1B", FIM_SE, 64.3, 30.8, 44.1),
    ("StarCoderBase-15B", FIM_SE, 83.8, 53.7, 66.4),
    ("Code Llama 7B, PSM", FIM_SE, 74.1, 48.2, 59.7),
    ("Code Llama 7B, SPM", FIM_SE, 83.3, 50.8, 39.0),
    ("Code Llama 13B, PSM", FIM_SE, 75.9, 51.0, 63.6),
    ("Code Llama 13B, SPM", FIM_SE, 85.6, 56.1, 41.9),
    ("FIM50 6.9B", BAVARIAN, 73.0, 40.6, 52.1),
    ("FIM90 6.9B", BAVARIAN, 75.1, 44.1, 55.1),
)
_COLUMNS = {"humaneval-single-line": 2, "humaneval-multi-line": 3, "humaneval-random-span": 4}
_MORE: dict[str, tuple[Reference, ...]] = {
    "humaneval-single-line": (
        Reference("Mellum-4b, its card", 66.2, PASS, "JetBrains/Mellum-4b-base card"),
        Reference(
            "Mellum-4b, run by others",
            76.9,
            f"{PASS}: the same model, so much does the harness alone",
            "an independent run",
        ),
        Reference("Qwen2.5-Coder-0.5B", 70.3, LINES, QWEN),
        Reference("Qwen2.5-Coder-1.5B", 77.0, LINES, QWEN),
        Reference("Qwen2.5-Coder-7B", 79.7, LINES, QWEN),
    ),
    "humaneval-random-span": (
        Reference("Falcon-H1-Tiny-Coder-90M", 30.96, PASS, "TII's blog"),
        Reference("Qwen2.5-Coder-0.5B", 31.76, PASS, "TII's blog"),
    ),
    "safim-block": (
        Reference("GPT-3.5 (0301), one example", 31.24, f"{ALL}; Python alone 27.7", SAFIM),
        Reference(
            "DeepSeek-Coder-1.3B, block_v2", 46.05, f"{ALL}; a later set; Python alone 48.5", SAFIM
        ),
    ),
    "safim-control": (Reference("DeepSeek-Coder-1.3B", 54.10, f"{ALL}; Python alone 56.5", SAFIM),),
}
_AVERAGES = (
    Reference("Qwen2.5-Coder-32B", 71.2, "SAFIM as a whole, in %", f"{QWEN}, figure 5"),
    Reference(
        "Mellum-4b-base",
        38.11,
        "SAFIM as a whole, in %",
        "JetBrains/Mellum-4b-base card",
    ),
)


def references(name: str) -> list[dict[str, Any]]:
    """Return the published figures of a set as JSON values: model, value, note, source."""
    found = []
    if name in _COLUMNS:
        column = _COLUMNS[name]
        found = [Reference(row[0], float(row[column]), PASS, row[1]) for row in _HUMANEVAL]
    found += _MORE.get(name, ())
    found += _AVERAGES if name.startswith("safim") else ()
    return [asdict(one) for one in found]
