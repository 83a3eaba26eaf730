from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.benchmark import BenchmarkRequest, benchmark, summary
from codetune_ui.core.benchmark_page import MOST_ITEMS, page
from codetune_ui.core.benchmark_reference import references
from codetune_ui.core.benchmark_scores import Answered, Sample, pass_at_k, score
from codetune_ui.core.benchmark_sets import SETS, Task
from codetune_ui.core.errors import CodeTuneError, ConfigError

ABOUT: dict[str, Any] = {
    "id": "1",
    "run": "calm-otter",
    "created": 0,
    "base_model": "demo",
    "model": {"prompt_order": "psm"},
    "file": {"sha256": "0" * 64},
    "versions": {"python": "3"},
    "protections": [],
    "truths": {"run": 0, "passed": 0},
}
SINGLE = SETS["humaneval-single-line"]


def task(number: int, language: str = "Python", truth: str = "a = 1\n") -> Task:
    return Task(f"SingleLineInfilling/HumanEval/{number}/L0", language, "", "", truth, "", "")


def sample(text: str = "a = 1\n", passed: bool | None = None) -> Sample:
    return Sample(text, ended=True, tokens=3, passed=passed)


def made(*pairs: tuple[Sample, Sample], **asked: Any) -> dict[str, Any]:
    """Return a benchmark of one sample a side and a problem each."""
    answered = [Answered(task(n), [base], [tuned]) for n, (base, tuned) in enumerate(pairs)]
    return benchmark(answered, BenchmarkRequest(set=SINGLE.name, **asked), ABOUT)


# --- pass@k


@given(st.data())
def test_pass_at_k_is_the_share_of_draws_in_which_one_passes(data: st.DataObject) -> None:
    samples = data.draw(st.integers(1, 8))
    passed = data.draw(st.integers(0, samples))
    k = data.draw(st.integers(1, samples))
    results = [True] * passed + [False] * (samples - passed)
    draws = [any(draw) for draw in itertools.combinations(results, k)]
    assert pass_at_k(samples, passed, k) == pytest.approx(sum(draws) / len(draws), abs=1e-12)


def test_pass_at_k_holds_for_many_samples() -> None:
    assert pass_at_k(200, 1, 100) == pytest.approx(0.5)
    assert pass_at_k(200, 100, 100) == pytest.approx(1.0)


def test_each_k_needs_as_many_samples() -> None:
    answered = [Answered(task(0), [sample(passed=n < 5) for n in range(10)])]
    request = BenchmarkRequest(set=SINGLE.name, samples=10, temperature=0.8, run_programs=True)
    found = benchmark(answered, request, ABOUT | {"run": ""})["scores"]
    assert found["pass@1"]["base"][0] == 0.5
    assert found["pass@10"]["base"][0] == 1.0
    assert "pass@100" not in found


# --- intervals


def test_holes_of_one_problem_do_not_count_as_many() -> None:
    def width(problems: int) -> float:
        answered = [
            Answered(task(n % problems), [sample(passed=n % 2 == 0)], [sample(passed=True)])
            for n in range(100)
        ]
        request = BenchmarkRequest(set=SINGLE.name, run_programs=True)
        mean, low, high = benchmark(answered, request, ABOUT)["scores"]["pass@1"]["difference"]
        assert mean == 0.5
        return float(high - low)

    assert width(10) > 2 * width(100)


# --- scores


def test_blank_ends_are_left_out_of_account() -> None:
    found = score(sample("a = 1"), task(0), SINGLE)
    assert found == {"exact_match": 1.0, "edit_similarity": 1.0, "parses": 1.0, "ended": 1.0}


def test_a_call_is_compared_where_that_is_the_measure() -> None:
    one = task(0, truth="f(x=1, y=2)")
    assert score(sample("f(y=2, x=1)"), one, SETS["safim-api"])["same_call"] == 1.0


# --- the verdict


def test_better_is_said_of_the_tests_where_they_were_run() -> None:
    won = (sample("b = 2", passed=False), sample("c = 3", passed=True))
    found = made(*[won] * 12, run_programs=True)
    assert (found["verdict"], found["main"]) == ("better", "pass@1")
    assert (found["wins"], found["ties"], found["losses"]) == (12, 0, 0)
    assert found["scores"]["pass@1"]["difference"] == [1.0, 1.0, 1.0]
    assert found["scores"]["exact_match"]["difference"] == [0.0, 0.0, 0.0]


def test_without_running_exact_match_decides_and_no_pass_is_claimed() -> None:
    lost = (sample("a = 1"), sample("b = 2"))
    found = made(*[lost] * 12)
    assert (found["verdict"], found["main"]) == ("worse", "exact_match")
    assert not [name for name in found["scores"] if name.startswith("pass@")]
    assert found["not_covered"][0].startswith("No program was run")


def test_a_few_wins_are_no_difference() -> None:
    won, tied = (sample("b"), sample("a = 1")), (sample("a = 1"), sample("a = 1"))
    assert made(*[won] * 3, *[tied] * 3)["verdict"] == "no difference"


def test_wins_in_one_problem_are_one_win() -> None:
    answered = [Answered(task(0), [sample("b")], [sample("a = 1")]) for _ in range(30)]
    found = benchmark(answered, BenchmarkRequest(set=SINGLE.name), ABOUT)
    assert (found["wins"], found["verdict"], found["problems"]) == (30, "no difference", 1)


def test_a_base_alone_has_no_verdict() -> None:
    answered = [Answered(task(n), [sample()]) for n in range(4)]
    found = benchmark(answered, BenchmarkRequest(set=SINGLE.name), ABOUT | {"run": ""})
    assert "verdict" not in found
    assert found["sentence"] == (
        "The base reaches 100.0 % exact match on 4 tasks of HumanEval-Infilling, single line "
        "(95 % interval 100.0 % to 100.0 %)."
    )
    assert "base" in page(found)
    assert any("Exact match" in line for line in summary(found))


def test_other_languages_are_left_out_of_pass_at_k_and_that_is_said() -> None:
    java = Answered(task(1, "Java"), [sample()], [sample()])
    python = Answered(task(0), [sample(passed=True)], [sample(passed=True)])
    request = BenchmarkRequest(set="safim-block", run_programs=True)
    found = benchmark([python, java], request, ABOUT)
    assert found["scores"]["pass@1"]["tasks"] == 1
    assert found["scores"]["exact_match"]["tasks"] == 2
    assert found["by_language"] == {"Python": 1, "Java": 1}
    assert any(line.startswith("1 tasks in other languages") for line in found["not_covered"])


def test_only_other_languages_leave_nothing_to_say() -> None:
    java = Answered(task(1, "Java"), [sample()], [sample()])
    request = BenchmarkRequest(set="safim-block", run_programs=True)
    found = benchmark([java], request, ABOUT)
    assert found["verdict"] == "no difference"
    assert found["sentence"] == "Not one task of SAFIM, algorithmic block could be measured."
    assert "–" in page(found)


def test_prompts_that_were_cut_are_counted() -> None:
    model = {"prompts_at_that_limit": 3, "most_prompt_tokens": 512}
    answered = [Answered(task(0), [sample()], [sample()])]
    found = benchmark(answered, BenchmarkRequest(set=SINGLE.name), ABOUT | {"model": model})
    assert any(
        line.startswith("3 prompts were longer than the 512") for line in found["not_covered"]
    )


def test_true_answers_that_fail_here_are_said() -> None:
    answered = [Answered(task(0), [sample(passed=True)])]
    request = BenchmarkRequest(set=SINGLE.name, run_programs=True)
    found = benchmark(answered, request, ABOUT | {"truths": {"run": 50, "passed": 49}})
    assert found["not_covered"][0].startswith("Of 50 true answers that were run, 49 pass")
    assert "49 of 50 passed" in page(found)


# --- what is asked


@pytest.mark.parametrize(
    "asked",
    [
        {"set": "mbpp"},
        {"set": SINGLE.name, "samples": 0},
        {"set": SINGLE.name, "samples": 5},
        {"set": SINGLE.name, "temperature": -1.0},
        {"set": SINGLE.name, "limit": -1},
        {"set": "safim-api", "run_programs": True},
    ],
)
def test_what_would_measure_nothing_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(CodeTuneError) as refusal:
        BenchmarkRequest(**asked)
    assert refusal.value.hint


def test_samples_need_a_temperature() -> None:
    with pytest.raises(ConfigError, match="the same text several times"):
        BenchmarkRequest(set=SINGLE.name, samples=2)


def test_a_request_survives_its_json() -> None:
    request = BenchmarkRequest(set=SINGLE.name, run="a", samples=3, temperature=0.2)
    assert BenchmarkRequest.from_dict(request.to_dict()) == request


# --- what stands beside


def test_published_figures_are_those_of_the_set() -> None:
    star = {name: references(name)[0] for name in list(SETS)[:3]}
    assert {name: (row["model"], row["value"]) for name, row in star.items()} == {
        "humaneval-single-line": ("StarCoder-1B", 64.3),
        "humaneval-multi-line": ("StarCoder-1B", 30.8),
        "humaneval-random-span": ("StarCoder-1B", 44.1),
    }
    for name in SETS:
        assert all(row["source"] and row["note"] for row in references(name))


def test_the_page_shows_code_as_text_and_says_what_held() -> None:
    found = made((sample("<b>x</b>"), sample("<script>")))
    found["protections"] = [{"what": "Network", "how": "no <sockets>", "holds": "python"}]
    text = page(found)
    assert "<script>" not in text
    assert "&lt;" in text
    assert "weaker: held by Python alone" in text
    assert "no &lt;sockets&gt;" in text
    assert "<link" not in text
    assert "src=" not in text


def test_a_large_page_says_that_it_is_not_all() -> None:
    found = made(*[(sample(), sample())] * (MOST_ITEMS + 1))
    assert f"The first {MOST_ITEMS} of {MOST_ITEMS + 1} tasks" in page(found)
    assert len(found["items"]) == MOST_ITEMS + 1
