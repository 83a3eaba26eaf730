from __future__ import annotations

import os
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.runs.store import Home
from tests.calling import call, last_json, refused
from tests.core.benchmarks import api_call, infilling, write_rows
from tests.runs.serving import add_trained_run

SET = ("--set", "humaneval-single-line")


@pytest.mark.skipif(os.name != "posix", reason="no program is run on Windows")
def test_benchmark_runs_programs_and_says_pass_at_1(
    tiny_model: Path, home: Path, tmp_path: Path
) -> None:
    add_trained_run(Home(home), tiny_model, "tuned", max_seq_len=128)
    file = write_rows(tmp_path / "a.jsonl.gz", [infilling(n) for n in range(3)])
    result = call("benchmark", "tuned", *SET, "--file", file, "--run-programs", "--json")
    found = last_json(result)
    assert (found["tasks"], found["main"], found["settings"]["run_programs"]) == (3, "pass@1", True)
    assert (home / "runs" / "tuned" / "benchmarks" / f"{found['id']}.html").is_file()
    assert "programs run" in result.stderr


def test_benchmark_of_a_model_alone_has_a_text_for_people(tiny_model: Path, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", [api_call()])
    result = call("benchmark", "--model", tiny_model, "--set", "safim-api", "--file", file)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("The base reaches 0.0 % same call on 1 tasks of SAFIM")
    assert "Published, by other harnesses:" in result.stdout


def test_benchmark_refuses_in_one_sentence(home: Path) -> None:
    run = Home(home).create_run(Config(base_model="demo", source="demo"), "first")
    refused(call("benchmark", *SET), "Neither a run nor a model is named")
    refused(call("benchmark", "first", *SET), "'first' has no adapter yet")
    refused(call("benchmark", "first", "--model", "demo", *SET), "A run and a model are named")
    refused(call("benchmark", "first", "--set", "mbpp"), "There is no benchmark 'mbpp'", "safim")
    refused(call("benchmark", "first", *SET, "--samples", "3"), "the same text several times")
    run.adapter_dir.mkdir()
    refused(call("benchmark", "first", *SET, "--file", "gone"), "There is no file 'gone'")
