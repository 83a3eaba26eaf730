from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import SourceError
from codetune_ui.core.pack import from_words
from codetune_ui.core.source import Document
from codetune_ui.engine import beginning, reading
from codetune_ui.engine.prepare import Preparation, val_rows_wanted
from codetune_ui.engine.reading import read_documents
from codetune_ui.runs.store import Home, Run
from tests.tiny import STARCODER_TOKENS, build_tokenizer

SEQ = 128


@pytest.fixture(scope="module")
def model(tiny_tokenizer: Path) -> Path:
    (tiny_tokenizer / "fim.json").write_text('{"family": "starcoder"}')
    return tiny_tokenizer


def make(model: Path, source: str | Path, name: str, **changes: Any) -> Run:
    settings = {
        "base_model": str(model),
        "source": str(source),
        "max_seq_len": SEQ,
        "max_steps": 10,
        "global_batch_rows": 4,
        "micro_batch_rows": 4,
        **changes,
    }
    run = Home.current().create_run(Config.from_dict(settings), name)
    run.dataset_dir.mkdir()
    return run


def words(run: Run, name: str = "train") -> Any:
    return np.fromfile(run.dataset_dir / f"{name}.rows", np.uint32).reshape(-1, SEQ)


def repositories() -> Iterator[Document]:
    """Yield one file each of ever more repositories, as a Hub dataset would."""
    for number in itertools.count():
        text = "".join(f"value_{number}_{k} = {number * k}\n" for k in range(40))
        yield Document(text, f"r{number}/a.py", "Python", f"r{number}")


def test_the_plan_s_rows_are_written_and_the_manifest_counts_them(
    model: Path, code_folder: Path
) -> None:
    run = make(model, code_folder, "first")
    Preparation(run, model).write()
    manifest = json.loads((run.dataset_dir / "manifest.json").read_text())
    assert words(run).shape == (40, SEQ)
    assert manifest["train_rows"] == 40
    assert manifest["train_documents"] + manifest["val_documents"] == 24
    assert len(words(run, "val")) == manifest["val_rows"] == 20
    assert manifest["family"] == "starcoder"
    assert manifest["whole_prompt_share"] == 1.0
    assert 0.3 < manifest["fim_rate_effective"] < 0.7
    assert sum(from_words(words(run)[0]).seq_lengths) == SEQ


def test_no_side_reads_a_file_of_the_other(tmp_path: Path, code_folder: Path) -> None:
    model = build_tokenizer(tmp_path / "m", special_tokens=[*STARCODER_TOKENS, "<reponame>"])
    (model / "fim.json").write_text('{"family": "starcoder"}')
    changes = {"max_steps": 100, "fim_rate": 0.0, "repo_context": "neighbours"}
    run = make(model, code_folder, "around", context_tokens=64, **changes)
    preparation = Preparation(run, model)
    preparation.write()
    lines = (run.dataset_dir / "held_out.jsonl").read_text().splitlines()
    held = {json.loads(line)["path"] for line in lines}
    every = {path.relative_to(code_folder).as_posix() for path in code_folder.rglob("*.py")}
    for name, mine, others in (("train", every - held, held), ("val", held, every - held)):
        text = preparation.tokenizer.decode(words(run, name).ravel() & ((1 << 29) - 1))
        assert all(f"<filename>{path}\n" in text for path in mine)
        assert not any(path in text for path in others)
        assert f"<reponame>{code_folder.name}<filename>" in text


def test_held_out_documents_are_not_in_the_training_rows(model: Path, code_folder: Path) -> None:
    run = make(model, code_folder, "apart", max_steps=100, fim_rate=0.0)
    preparation = Preparation(run, model)
    preparation.write()
    lines = (run.dataset_dir / "held_out.jsonl").read_text().splitlines()
    held = [json.loads(line)["path"] for line in lines]
    text = preparation.tokenizer.decode(words(run).ravel() & ((1 << 29) - 1))
    for path in held:
        number = path.split("_")[-1].removesuffix(".py")
        assert f"RATE_{number} = " not in text
    assert len(held) >= 4


def test_the_same_settings_give_the_same_rows(model: Path, code_folder: Path) -> None:
    one, other = make(model, code_folder, "one"), make(model, code_folder, "other")
    Preparation(one, model).write()
    Preparation(other, model).write()
    assert np.array_equal(words(one), words(other))


def test_a_second_attempt_goes_on_after_the_rows_of_the_first(
    model: Path, code_folder: Path
) -> None:
    run = make(model, code_folder, "again")
    Preparation(run, model).write()
    whole = words(run).copy()
    path = run.dataset_dir / "train.rows"
    path.write_bytes(path.read_bytes()[: 7 * SEQ * 4 + 11])  # killed in the middle of a row
    Preparation(run, model).write()
    assert np.array_equal(words(run), whole)


def test_code_that_changed_between_two_attempts_is_told(model: Path, code_folder: Path) -> None:
    run = make(model, code_folder, "changed")
    Preparation(run, model).write()
    path = run.dataset_dir / "train.rows"
    data = bytearray(path.read_bytes()[: 8 * SEQ * 4])
    data[4 * SEQ * 4] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match="has changed since this run began"):
        Preparation(run, model).write()


def test_a_stream_is_read_only_as_far_as_the_plan_needs(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def endless(_config: Config, *, refresh: bool, alternate: bool) -> Iterator[Document]:
        assert not alternate
        assert not refresh  # training reads what was scanned
        for document in repositories():
            read.append(document.path)
            yield document

    monkeypatch.setattr(beginning, "read_documents", endless)
    monkeypatch.setattr(beginning, "STREAM_BLOCK", 30)
    run = make(model, "hub:a/b", "stream", max_steps=50)
    Preparation(run, model).write()
    assert len(words(run)) == 200
    assert len(read) <= 120  # no more than the examples that are shuffled and packed ahead


def test_held_out_rows_are_few_where_evaluations_are_frequent() -> None:
    assert val_rows_wanted(Config(eval_every=90, global_batch_rows=4, micro_batch_rows=4)) == 18
    assert val_rows_wanted(Config(eval_every=400, global_batch_rows=16)) == 256
    assert val_rows_wanted(Config(eval_every=1, global_batch_rows=4, micro_batch_rows=4)) == 16


def test_a_weight_of_one_gives_the_rows_of_a_source_without_one(
    model: Path, code_folder: Path
) -> None:
    plain, weighted = make(model, code_folder, "plain"), make(model, f"{code_folder} *1", "one")
    Preparation(plain, model).write()
    Preparation(weighted, model).write()
    assert np.array_equal(words(plain), words(weighted))


def test_a_source_of_weight_two_is_shown_twice_with_other_holes(
    model: Path, code_folder: Path
) -> None:
    single, double = make(model, code_folder, "single"), make(model, f"{code_folder} *2", "double")
    Preparation(single, model).write()
    Preparation(double, model).write()
    counts = [
        json.loads((run.dataset_dir / "manifest.json").read_text())["val_documents"]
        for run in (single, double)
    ]
    assert counts[0] == counts[1]  # what is held out is not repeated
    assert np.array_equal(words(single, "val"), words(double, "val"))
    assert not np.array_equal(words(single), words(double))


def test_two_sources_are_read_with_a_hub_dataset_cut_short(
    code_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(_config: Config, *, rules: Any) -> Iterator[Document]:
        assert not rules.forces("a.py")
        return repositories()

    monkeypatch.setattr("codetune_ui.engine.hub.hub_documents", rows)
    monkeypatch.setattr(reading, "HUB_ROWS_AMONG_SEVERAL", 5)
    found = list(read_documents(Config(source=f"hub:own/data *0.5; {code_folder}")))
    paths = [item.path for item in found]
    assert paths[:2] == ["data/r0/a.py", "data/r1/a.py"]
    assert sum(path.startswith("data/") for path in paths) == 5
    assert len(paths) == 29
