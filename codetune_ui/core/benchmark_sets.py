"""Published benchmarks of infilling, read from their own files: where they are, what a row means.

HumanEval-Infilling (Bavarian et al., arXiv 2207.14255; github.com/openai/human-eval-infilling;
MIT), .jsonl.gz; a program is prompt + answer + suffix, then `test`, then `check(entry_point)`:

    task_id  entry_point  prompt  suffix  canonical_solution  test

SAFIM (Gong et al., arXiv 2403.04814; Hub dataset gonglinyuan/safim, CC BY 4.0), .jsonl.gz; `prompt`
has a comment in the place of the hole, `eval_prompt` has {{completion}}; `unit_tests` is a list, or
its JSON, of {"input": text, "output": [texts]}, and is empty for the calls of an API:

    task_id  lang  prompt  eval_prompt  ground_truth  unit_tests
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from codetune_ui.core.errors import SourceError

SetName = Literal[
    "humaneval-single-line",
    "humaneval-multi-line",
    "humaneval-random-span",
    "humaneval-random-span-light",
    "safim-block",
    "safim-control",
    "safim-api",
]
MOST_BYTES = 4_000_000_000  # of a file once it is unpacked: more is no benchmark
LONGEST_ROW = 200_000_000

GITHUB = "https://raw.githubusercontent.com/openai/human-eval-infilling/master/data/"
SAFIM_HUB = "gonglinyuan/safim"
HOLE = "{{completion}}"
PLACEHOLDERS = {"python": "# TODO: Your code here"}  # the other languages have one in common
PLACEHOLDER = "/* TODO: Your code here */"
LANGUAGES = {"python": "Python", "java": "Java", "cpp": "C++", "csharp": "C#"}


@dataclass(frozen=True, kw_only=True)
class BenchmarkSet:
    """One published set.

    tasks        how many it has, as published
    tokens       the most that may be written into one hole
    rule         by which an answer is cut, in words; none of them looks at the truth
    main         the published measure: "pass" by running tests, "call" by comparing calls
    """

    name: SetName
    label: str
    tasks: int
    file: str
    tokens: int
    rule: str
    main: Literal["pass", "call"] = "pass"

    @property
    def humaneval(self) -> bool:
        """Is it one of HumanEval-Infilling?"""
        return self.name.startswith("humaneval")

    @property
    def source(self) -> str:
        """Which paper and whose files."""
        own = "arXiv 2207.14255, github.com/openai/human-eval-infilling"
        return own if self.humaneval else "arXiv 2403.04814, github.com/gonglinyuan/safim"

    @property
    def address(self) -> str:
        """Where a person can download it."""
        hub = f"https://huggingface.co/datasets/{SAFIM_HUB}/resolve/main/"
        return (GITHUB if self.humaneval else hub) + self.file


AS_WRITTEN = (
    "the answer is taken as the model ended it (its end-of-middle token, or the limit of tokens), "
    "as the published harness takes it"
)
FIRST_LINE = "the first line that is not blank, with its line break"

SETS: dict[SetName, BenchmarkSet] = {
    found.name: found
    for found in (
        BenchmarkSet(
            name="humaneval-single-line",
            label="HumanEval-Infilling, single line",
            tasks=1033,
            file="HumanEval-SingleLineInfilling.jsonl.gz",
            tokens=128,
            rule=f"{FIRST_LINE}: a hole of this set is one line. The published harness cuts "
            "nothing; papers differ",
        ),
        BenchmarkSet(
            name="humaneval-multi-line",
            label="HumanEval-Infilling, multi-line",
            tasks=5815,
            file="HumanEval-MultiLineInfilling.jsonl.gz",
            tokens=256,
            rule=AS_WRITTEN,
        ),
        BenchmarkSet(
            name="humaneval-random-span",
            label="HumanEval-Infilling, random span",
            tasks=1640,
            file="HumanEval-RandomSpanInfilling.jsonl.gz",
            tokens=256,
            rule=AS_WRITTEN,
        ),
        BenchmarkSet(
            name="humaneval-random-span-light",
            label="HumanEval-Infilling, random span, light",
            tasks=164,
            file="HumanEval-RandomSpanInfillingLight.jsonl.gz",
            tokens=256,
            rule=AS_WRITTEN,
        ),
        BenchmarkSet(
            name="safim-block",
            label="SAFIM, algorithmic block",
            tasks=8781,
            file="block_completion.jsonl.gz",
            tokens=256,
            rule="last lines are taken off until the program parses and its syntax around the hole "
            "is that of the program with an empty hole, as the paper does",
        ),
        BenchmarkSet(
            name="safim-control",
            label="SAFIM, control-flow expression",
            tasks=8629,
            file="control_completion.jsonl.gz",
            tokens=128,
            rule="Python: the first line that is not blank; others: up to the first bracket that "
            "closes more than was opened, as the paper does",
        ),
        BenchmarkSet(
            name="safim-api",
            label="SAFIM, call of an API",
            tasks=310,
            file="api_completion.jsonl.gz",
            tokens=128,
            rule="up to the bracket that closes the first call, as the paper does",
            main="call",
        ),
    )
}
SET_NAMES = ", ".join(SETS)
_OF_IDS = {
    "SingleLineInfilling": "humaneval-single-line",
    "MultiLineInfilling": "humaneval-multi-line",
    "RandomSpanInfillingLight": "humaneval-random-span-light",
    "RandomSpanInfilling": "humaneval-random-span",
}


@dataclass(frozen=True, slots=True)
class Task:
    """One hole of a benchmark.

    prefix, suffix    what the model reads around the hole
    truth             what stood in it
    before, after     what a complete program has around it
    test              what is appended to run it; "" where `checks` are given to its standard input
    checks            inputs, each with the outputs that are right
    problem           tasks of one problem share their code: intervals draw whole problems
    """

    id: str
    language: str
    prefix: str
    suffix: str
    truth: str
    before: str
    after: str
    test: str = ""
    checks: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def problem(self) -> str:
        """What this task is one of: its HumanEval problem; of SAFIM, itself."""
        found = re.search(r"HumanEval/\d+", self.id)
        return found.group() if found else self.id

    def filled(self, answer: str) -> str:
        """Return the program with an answer in its hole, without tests."""
        return self.before + answer + self.after


@dataclass(frozen=True)
class Tasks:
    """The tasks of a file that were taken, of how many, and the file's SHA-256."""

    found: list[Task]
    total: int
    sha256: str


def find_set(name: str) -> BenchmarkSet:
    """Return a set by name; `SourceError` for an unknown one."""
    if name not in SETS:
        raise SourceError(f"There is no benchmark '{name}'.", f"Choose one of: {SET_NAMES}.")
    return SETS[name]


def read_tasks(file: Path, of: BenchmarkSet, *, limit: int = 0, seed: int = 0) -> Tasks:
    """Read a benchmark's file, packed or not; with a limit, so many tasks drawn by the seed.

    Raises `SourceError` for a file that cannot be read or is not of this set; its message names
    the line.
    """
    try:
        lines = list(_lines(file))
        with file.open("rb") as packed:
            digest = hashlib.file_digest(packed, "sha256").hexdigest()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text, packed or not"
        raise SourceError(f"{file} cannot be read: {why}.", "Check the path.") from error
    places = range(len(lines))
    if 0 < limit < len(lines):
        # Neighbours in a file are of one problem: the first of them would be few problems.
        places = sorted(random.Random(f"{of.name}:{seed}").sample(places, limit))  # type: ignore[assignment]
    found = [_task(*lines[place], of, file) for place in places]
    if not found:
        raise SourceError(f"{file} has no tasks.", "Download it again.")
    return Tasks(found, len(lines), digest)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    with file.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    total = 0
    with gzip.open(file, "rb") if packed else file.open("rb") as stream:
        number = 0
        while line := stream.readline(LONGEST_ROW):
            number += 1
            total += len(line)
            if total > MOST_BYTES:
                raise SourceError(f"{file} is too large for a benchmark.", "Check the path.")
            if line.strip():
                yield number, line.decode("utf-8")


def _task(number: int, line: str, of: BenchmarkSet, file: Path) -> Task:
    try:
        row = json.loads(line)
        return _humaneval(row, of) if of.humaneval else _safim(row)
    except (ValueError, TypeError, KeyError) as error:
        lacks = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise SourceError(
            f"Line {number} of {file} is no task of {of.name}: {lacks}.",
            f"Its own file is {of.address}",
        ) from error


def _humaneval(row: Mapping[str, Any], of: BenchmarkSet) -> Task:
    kind = _OF_IDS.get(_text(row, "task_id").partition("/")[0], of.name)
    if kind != of.name:
        raise ValueError(f"it is one of {kind}")
    prefix, suffix = _text(row, "prompt"), _text(row, "suffix")
    test = f"\n{_text(row, 'test')}\ncheck({_text(row, 'entry_point')})"
    truth = _text(row, "canonical_solution")
    return Task(_text(row, "task_id"), "Python", prefix, suffix, truth, prefix, suffix, test)


def _safim(row: Mapping[str, Any]) -> Task:
    language = _text(row, "lang")
    around = _text(row, "prompt").split(PLACEHOLDERS.get(language, PLACEHOLDER))
    whole = _text(row, "eval_prompt").split(HOLE)
    if len(around) != 2 or len(whole) != 2:
        raise ValueError("its hole is not in one place")
    tests = row.get("unit_tests") or []
    tests = json.loads(tests) if isinstance(tests, str) else tests
    return Task(
        _text(row, "task_id"),
        LANGUAGES.get(language, language),
        around[0],
        around[1],
        _text(row, "ground_truth"),
        whole[0],
        whole[1],
        checks=tuple(_check(one) for one in tests),
    )


def _check(test: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    outputs = test["output"]
    right = (outputs,) if isinstance(outputs, str) else tuple(map(str, outputs))
    return str(test["input"]), right


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"its '{name}' is no text")
    return value
