"""One benchmark as a plain value: what was asked, every answer, pass@k, base beside adapter.

"better" and "worse" are said of one score, `main`, where its paired interval excludes 0 and wins
and losses, counted by problem, are too uneven for a fair coin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codetune_ui.core.benchmark_reference import references
from codetune_ui.core.benchmark_scores import Answered, scores_of, sum_by_problem
from codetune_ui.core.benchmark_sets import BenchmarkSet, find_set
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.verdict import LEVEL, PHRASES, Interval, Word, interval, sign_test

TOP_P = 0.95  # of samples, as in the papers; a greedy answer has none
MOST_SAMPLES = 200
LABELS = {
    "exact_match": "Exact match",
    "edit_similarity": "Edit similarity (Levenshtein)",
    "parses": "Program still parses",
    "ended": "Ended by itself",
    "same_call": "Same call",
}


@dataclass(frozen=True, kw_only=True)
class BenchmarkRequest:
    """What a person asks for; `run` "" is the base of `model` alone, `limit` 0 the whole set."""

    set: str
    run: str = ""
    file: str = ""
    limit: int = 0
    samples: int = 1
    temperature: float = 0.0
    seed: int = 0
    run_programs: bool = False

    def __post_init__(self) -> None:
        """Refuse what would measure nothing; raise `ConfigError` or, for the set, `SourceError`."""
        found = find_set(self.set)
        if not 1 <= self.samples <= MOST_SAMPLES or self.limit < 0 or self.seed < 0:
            raise ConfigError(
                f"Samples go from 1 to {MOST_SAMPLES}; a limit and a seed are not below 0.",
                "Correct them.",
            )
        if not 0 <= self.temperature <= 2:
            raise ConfigError("The temperature is outside 0 to 2.", "0.2 is usual for pass@1.")
        if self.samples > 1 and not self.temperature:
            raise ConfigError(
                "Several samples at temperature 0 are the same text several times.",
                "Add a temperature, as 0.2 or 0.8, or ask for one sample.",
            )
        if self.run_programs and found.main == "call":
            raise ConfigError(
                f"{found.label} has no tests to run: its measure is the comparison of calls.",
                "Leave the running of programs out.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BenchmarkRequest:
        """Read what `to_dict` wrote."""
        return cls(**values)


# --- both sides


@dataclass(frozen=True)
class _Column:
    """One score of the tasks that have it, on both sides."""

    base: NDArray[np.float64]
    adapter: NDArray[np.float64] | None
    problems: list[str]

    def to_dict(self, seed: int) -> dict[str, Any]:
        """Return means with intervals, and the difference."""
        found: dict[str, Any] = {"tasks": len(self.base)}
        found["base"] = _rounded(interval(self.base, self.problems, seed=seed))
        if self.adapter is not None:
            found["adapter"] = _rounded(interval(self.adapter, self.problems, seed=seed))
            change = interval(self.adapter - self.base, self.problems, seed=seed)
            found["difference"] = _rounded(change)
        return found


def _rounded(found: Interval | None) -> list[float] | None:
    return None if found is None else [round(value, 4) for value in found]


def benchmark(
    answered: Sequence[Answered], request: BenchmarkRequest, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a whole benchmark as JSON values; `about` says what else is worth keeping."""
    of = find_set(request.set)
    base = [scores_of(one.base, one.task, of) for one in answered]
    both = bool(answered[0].adapter)
    tuned = [scores_of(one.adapter, one.task, of) for one in answered] if both else None
    main = main_score(request, of)
    names = [name for name in base[0] if request.run_programs or not name.startswith("pass@")]
    columns = {name: _column(name, answered, base, tuned) for name in names}
    found = {
        **about,
        "settings": request.to_dict(),
        "label": of.label,
        "source": of.source,
        "rule": of.rule,
        "tasks": len(answered),
        "problems": len({one.task.problem for one in answered}),
        "main": main,
        "scores": {name: column.to_dict(request.seed) for name, column in columns.items()},
        "by_language": _by_language(answered),
        "not_covered": not_covered(answered, request, of, about),
        "references": references(of.name),
    }
    if tuned is not None:
        found |= _verdict(columns[main], found)
    found["sentence"] = sentence(found)
    found["items"] = [_item(one, n, base, tuned) for n, one in enumerate(answered)]
    return found


def main_score(request: BenchmarkRequest, of: BenchmarkSet) -> str:
    """Return the name of the score that the sentence is about."""
    if of.main == "call":
        return "same_call"
    return "pass@1" if request.run_programs else "exact_match"


def _column(
    name: str,
    answered: Sequence[Answered],
    base: Sequence[Mapping[str, float | None]],
    tuned: Sequence[Mapping[str, float | None]] | None,
) -> _Column:
    places = [
        n
        for n in range(len(answered))
        if base[n][name] is not None and (tuned is None or tuned[n][name] is not None)
    ]

    def values(side: Sequence[Mapping[str, float | None]]) -> NDArray[np.float64]:
        return np.array([side[n][name] for n in places], dtype=np.float64)

    problems = [answered[n].task.problem for n in places]
    return _Column(values(base), None if tuned is None else values(tuned), problems)


def _by_language(answered: Sequence[Answered]) -> dict[str, int]:
    """Return how many tasks there are of each language."""
    return dict(Counter(one.task.language for one in answered))


def _verdict(column: _Column, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return wins, ties and losses by task, and the word, for which problems are counted."""
    assert column.adapter is not None
    change = column.adapter - column.base
    by_problem = sum_by_problem(change, column.problems) if len(change) else change
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    fair = sign_test(int((by_problem > 0).sum()), int((by_problem < 0).sum())) >= 1 - LEVEL
    difference = found["scores"][found["main"]]["difference"]
    word: Word = "no difference"
    if difference is not None and not fair:
        _, low, high = difference
        word = "better" if low > 0 else "worse" if high < 0 else "no difference"
    return {"wins": wins, "ties": len(change) - wins - losses, "losses": losses, "verdict": word}


def not_covered(
    answered: Sequence[Answered],
    request: BenchmarkRequest,
    of: BenchmarkSet,
    about: Mapping[str, Any],
) -> list[str]:
    """Return, in sentences, what this result does not say."""
    found = []
    if of.main == "pass" and not request.run_programs:
        found.append(
            "No program was run, so there is no pass@k, which is this set's published measure: "
            "a right answer in other words counts as a miss here."
        )
    others = sum(one.task.language != "Python" for one in answered)
    if of.main == "pass" and request.run_programs and others:
        found.append(
            f"{others} tasks in other languages than Python were not run: they need a service of "
            "their own (ExecEval). pass@k is of the Python tasks alone, run by CPython with the "
            "standard library; the published figures are by PyPy."
        )
    truths, model = about["truths"], about["model"]
    if truths["passed"] < truths["run"]:
        found.append(
            f"Of {truths['run']} true answers that were run, {truths['passed']} pass on this "
            "machine, within these limits: no pass@k can be higher than about that share."
        )
    if cut := model.get("prompts_at_that_limit"):
        found.append(
            f"{cut:,} prompts were longer than the {model['most_prompt_tokens']:,} tokens that are "
            "read here, and lost what is farthest from the hole."
        )
    if len(answered) < of.tasks:
        found.append(f"{len(answered):,} of the set's {of.tasks:,} tasks were taken.")
    found.append(
        "The set is public and older than most base models, which may have read it: the "
        "difference of base and adapter says more than either figure."
    )
    return found


def sentence(found: Mapping[str, Any]) -> str:
    """Say it in one sentence."""
    main, column = found["main"], found["scores"][found["main"]]
    name = main if main.startswith("pass@") else LABELS[main].lower()
    tasks = f"{column['tasks']:,} tasks of {found['label']}"
    if column["base"] is None:
        return f"Not one task of {found['label']} could be measured."
    base = _percent(column["base"][0])
    if "verdict" not in found:
        low, high = (_percent(value) for value in column["base"][1:])
        return f"The base reaches {base} {name} on {tasks} (95 % interval {low} to {high})."
    _, low, high = (100 * value for value in column["difference"])
    return (
        f"The adapter {PHRASES[found['verdict']]} the base on {tasks}: "
        f"{_percent(column['adapter'][0])} {name} against {base} "
        f"(95 % interval of the difference {low:+.1f} to {high:+.1f} points)."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _item(
    one: Answered,
    place: int,
    base: Sequence[Mapping[str, float | None]],
    tuned: Sequence[Mapping[str, float | None]] | None,
) -> dict[str, Any]:
    task = one.task
    found: dict[str, Any] = {"task": task.id, "language": task.language, "truth": task.truth}
    for side, scores in (("base", base), ("adapter", tuned)):
        if scores is not None:
            samples = one.base if side == "base" else one.adapter
            values = {key: None if v is None else round(v, 4) for key, v in scores[place].items()}
            found[side] = {"scores": values, "samples": [asdict(sample) for sample in samples]}
    return found


def summary(found: Mapping[str, Any]) -> list[str]:
    """Return what a terminal shows: the sentence, a table, what is missing, other figures."""
    both = "verdict" in found
    head = f"{'':<32}{'base':>9}" + (f"{'adapter':>9}{'difference':>12}" if both else "")
    lines = [str(found["sentence"]), "", head]
    for name, column in found["scores"].items():
        line = f"{LABELS.get(name, name):<32}{_mean(column['base']):>9}"
        if both and column["difference"]:
            mean, low, high = column["difference"]
            line += f"{_mean(column['adapter']):>9}{mean:>+12.3f}   {low:+.3f} to {high:+.3f}"
        lines.append(line)
    lines += ["", *found["not_covered"]]
    if found["references"]:
        lines += ["", "Published, by other harnesses:"]
        lines += [
            f"{one['model']:<32}{one['value']:>9g}  {one['note']}" for one in found["references"]
        ]
    return lines


def _mean(found: Sequence[float] | None) -> str:
    return "–" if found is None else f"{found[0]:.3f}"
