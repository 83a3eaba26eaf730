from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import SourceError
from codetune_ui.engine.parts import order
from codetune_ui.engine.parts.plan import make_plan, plan_of
from codetune_ui.engine.parts.steps import STEPS, tasks_of
from codetune_ui.engine.prepare import Preparation
from codetune_ui.runs.store import Home, Run
from tests.tiny import STARCODER_TOKENS, build_tokenizer, write_code

SEQ = 128
DATASET = ["held_out.jsonl", "manifest.json", "train.rows", "val.rows"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    special = [*STARCODER_TOKENS, "<reponame>"]
    folder = build_tokenizer(tmp_path_factory.mktemp("model"), special_tokens=special)
    (folder / "fim.json").write_text('{"family": "starcoder"}')
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Code with all that a merge decides: copies, near-copies, a secret, what is no code."""
    folder = write_code(tmp_path / "code", files=40)
    text = (folder / "part_1" / "module_5.py").read_text()
    (folder / "part_2" / "copy.py").write_text(text)
    (folder / "part_0" / "alike.py").write_text(text.replace("fell below zero", "is too low", 1))
    (folder / "part_3" / "token.py").write_text(f"{text}\nKEY = 'ghp_{'a1B2' * 9}'\nLAST = 9\n")
    (folder / "part_3" / "data.bin").write_bytes(b"\0\1\2")
    (folder / "part_3" / "empty.py").write_text("")
    return folder


def config(model: Path, source: str | Path, **changes: Any) -> Config:
    settings = {
        "base_model": str(model),
        "source": str(source),
        "max_seq_len": SEQ,
        "max_steps": 30,
        "global_batch_rows": 16,
        "micro_batch_rows": 4,
    }
    return Config.from_dict(settings | changes)


def the_usual(config: Config, model: Path) -> Run:
    run = Home.current().create_run(config, "usual")
    run.dataset_dir.mkdir()
    Preparation(run, model).write()
    return run


def in_parts(config: Config, tasks: int, name: str = "parts") -> Run:
    run = Home.current().create_run(config, name)
    make_plan(run, tasks)
    for name, step in STEPS.items():
        numbers = list(range(tasks_of(name, plan_of(run))))
        random.Random(tasks).shuffle(numbers)  # whichever ends first
        for number in numbers:
            step(run, number)
    return run


def assert_same(one: Run, other: Run) -> None:
    assert sorted(path.name for path in other.dataset_dir.glob("*")) != []
    for name in DATASET:
        assert (one.dataset_dir / name).read_bytes() == (other.dataset_dir / name).read_bytes()


@pytest.mark.parametrize("tasks", [1, 2, 7])
def test_rows_in_parts_are_the_usual_path_s_to_the_byte(
    model: Path, source: Path, tasks: int
) -> None:
    settings = config(model, source)
    assert_same(the_usual(settings, model), in_parts(settings, tasks))


def test_copies_of_files_in_other_parts_are_found(model: Path, source: Path) -> None:
    run = in_parts(config(model, source), 5)
    report = json.loads((run.path / "report.json").read_text())
    dropped = {"exact duplicate": 1, "near-duplicate": 2, "not code": 1, "empty": 1}
    assert report["dropped"] == dropped
    assert (report["found"], report["kept"]) == (45, 40)


@pytest.mark.parametrize(
    "changes",
    [
        {"near_duplicates": 1.0, "secrets": "drop"},
        {"force_in": "copy.py, alike.py", "exclude": "module_7.py"},
        {"max_documents": 25},
        {"repo_context": "neighbours", "context_tokens": 64},
        {"fit": "truncate_or_pad", "span": "syntax", "seed": 7},
        {"max_steps": 2},
    ],
    ids=str,
)
def test_settings_change_nothing_of_it(model: Path, source: Path, changes: dict[str, Any]) -> None:
    settings = config(model, source, **changes)
    assert_same(the_usual(settings, model), in_parts(settings, 3))


def test_several_sources_with_weights_and_paths_met_twice(
    model: Path, source: Path, tmp_path: Path
) -> None:
    rows = [
        {"path": f"lib/{n % 9}.py", "content": f"def made_{n}(a, b):\n    return a * {n} + b\n" * 9}
        for n in range(30)
    ]
    table = tmp_path / "shard.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)))
    settings = config(model, f"{source} *1.5; {table} *0.5", max_steps=40)
    assert_same(the_usual(settings, model), in_parts(settings, 4))


def test_what_was_cut_too_little_is_cut_in_the_end(
    model: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(model, source)
    usual = the_usual(settings, model)
    monkeypatch.setattr(order, "MARGIN", -1.0)
    assert_same(usual, in_parts(settings, 2))


def test_code_that_changed_between_two_steps_is_told(model: Path, source: Path) -> None:
    time.sleep(0.1)  # of a file that has just been written nobody can tell if it changes
    run = Home.current().create_run(config(model, source), "changed")
    assert make_plan(run, 2).state
    STEPS["read"](run, 0)
    (source / "part_1" / "new.py").write_text("a = 1\n")
    STEPS["read"](run, 1)
    with pytest.raises(SourceError, match="has changed since its preparation began"):
        make_plan(run, 2)
