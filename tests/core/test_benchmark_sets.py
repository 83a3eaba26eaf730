from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from codetune_ui.core.benchmark_sets import SETS, find_set, read_tasks
from codetune_ui.core.errors import SourceError
from tests.core.benchmarks import TEST, api_call, block, infilling, java_control, write_rows

SINGLE, BLOCK = SETS["humaneval-single-line"], SETS["safim-block"]


def test_a_task_of_humaneval_is_read_field_by_field(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "single.jsonl.gz", [infilling(7)])
    (task,) = read_tasks(file, SINGLE).found
    assert task.id == "SingleLineInfilling/HumanEval/7/L0"
    assert task.problem == "HumanEval/7"
    assert task.prefix == task.before == infilling()["prompt"]
    assert task.suffix == task.after == infilling()["suffix"]
    assert task.truth == "    first = a * a\n"
    assert task.test == f"\n{TEST}\ncheck(squares)"
    assert task.checks == ()


def test_a_task_of_safim_has_its_hole_where_the_comment_was(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "block.jsonl", [block(3)])
    (task,) = read_tasks(file, BLOCK).found
    assert task.language == "Python"
    assert task.prefix.endswith("for word in input().split():\n    ")
    assert task.suffix == "\nprint(total)\n"
    assert task.before == "total = 0\nfor word in input().split():\n    "
    assert task.after == "\nprint(total)\n"
    assert task.checks == (("1 2 3\n", ("6\n",)), ("4\n", ("4",)))
    assert task.problem == task.id == "block_completion_000003"


def test_tests_may_be_a_list_or_missing(tmp_path: Path) -> None:
    control = write_rows(tmp_path / "control.jsonl", [java_control()])
    (task,) = read_tasks(control, SETS["safim-control"]).found
    assert (task.language, task.checks) == ("Java", (("", ("0\n1\n2\n",)),))
    api = write_rows(tmp_path / "api.jsonl", [api_call()])
    assert read_tasks(api, SETS["safim-api"]).found[0].checks == ()


def test_packed_and_plain_are_read_alike_and_the_hash_is_the_file_s(tmp_path: Path) -> None:
    rows = [infilling(number) for number in range(3)]
    plain = write_rows(tmp_path / "a.jsonl", rows)
    packed = write_rows(tmp_path / "b.jsonl.gz", rows)
    ours, theirs = read_tasks(plain, SINGLE), read_tasks(packed, SINGLE)
    assert ours.found == theirs.found
    assert ours.sha256 == hashlib.sha256(plain.read_bytes()).hexdigest()
    assert theirs.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()


def test_a_limit_draws_by_the_seed_and_keeps_the_order(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", [infilling(number) for number in range(40)])
    some = [task.id for task in read_tasks(file, SINGLE, limit=5).found]
    assert len(some) == 5
    assert some == [task.id for task in read_tasks(file, SINGLE, limit=5).found]
    assert some != [task.id for task in read_tasks(file, SINGLE, limit=5, seed=1).found]
    numbers = [int(name.split("/")[2]) for name in some]
    assert numbers == sorted(numbers)
    assert read_tasks(file, SINGLE, limit=5).total == 40


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "it has no 'task_id'"),
        ("[1]", "is no task"),
        ("no json", "is no task"),
        (json.dumps(infilling() | {"suffix": 3}), "its 'suffix' is no text"),
        (json.dumps(infilling(kind="MultiLineInfilling")), "it is one of humaneval-multi-line"),
    ],
)
def test_a_row_of_another_kind_is_refused_with_its_line(
    text: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f"\n{text}\n", encoding="utf-8")
    with pytest.raises(SourceError, match="Line 2") as refusal:
        read_tasks(file, SINGLE)
    assert words in refusal.value.message
    assert SINGLE.address in refusal.value.hint


def test_a_hole_in_two_places_is_refused(tmp_path: Path) -> None:
    row = block(prompt="# TODO: Your code here\n# TODO: Your code here\n")
    with pytest.raises(SourceError, match="its hole is not in one place"):
        read_tasks(write_rows(tmp_path / "a.jsonl", [row]), BLOCK)


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\x1f\x8bcut off", b"\xff\xfe\x00"])
def test_a_file_without_tasks_is_one_sentence(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(data)
    with pytest.raises(SourceError):
        read_tasks(file, SINGLE)


def test_an_unknown_set_is_refused_with_those_there_are() -> None:
    with pytest.raises(SourceError, match="There is no benchmark 'mbpp'") as refusal:
        find_set("mbpp")
    assert "safim-api" in refusal.value.hint


def test_each_set_says_its_rule_and_where_it_is() -> None:
    assert sum(of.tasks for of in SETS.values() if of.name.startswith("safim")) == 17_720
    for of in SETS.values():
        assert of.address.startswith("https://")
        assert of.rule
