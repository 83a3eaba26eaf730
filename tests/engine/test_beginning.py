from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import SourceError
from codetune_ui.core.listing import Listed, in_turn
from codetune_ui.core.split import split_documents
from codetune_ui.engine import beginning, scan_cache
from codetune_ui.engine.beginning import begin, begins_from_scan
from codetune_ui.engine.prepare import Preparation
from codetune_ui.engine.reading import read_documents
from codetune_ui.engine.scan_cache import SETTLED_S
from codetune_ui.engine.shelf import Shelf
from codetune_ui.runs.files import read_json
from codetune_ui.runs.store import Home, Run
from tests.engine.test_prepare import SEQ, make, words
from tests.engine.test_scan import scan_here
from tests.tiny import write_code


@pytest.fixture(scope="module")
def model(tiny_tokenizer: Path) -> Path:
    (tiny_tokenizer / "fim.json").write_text('{"family": "starcoder"}')
    (tiny_tokenizer / "config.json").write_text("{}")
    return tiny_tokenizer


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder of 24 small files, to be changed at will."""
    return write_code(tmp_path / "code")


@pytest.fixture
def scanned(model: Path, code: Path) -> Run:
    """A finished scan of the code folder, with the settings of `make`."""
    time.sleep(2 * SETTLED_S)
    settings = {"base_model": str(model), "source": str(code), "max_seq_len": SEQ}
    scan = Home.current().create_scan(Config.from_dict(settings))
    scan_here(scan)
    return scan


def unreadable(*_: Any, **__: Any) -> Iterator[Document]:
    raise AssertionError("the source was read")


def sides_of(scan: Run) -> dict[str, str]:
    lines = (scan.path / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["path"]: row["split"] for row in map(json.loads, lines)}


# --- from a scan


@pytest.mark.usefixtures("scanned")
def test_a_scanned_source_is_not_read_again(
    model: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "read_documents", unreadable)
    monkeypatch.setattr(beginning, "list_sources", unreadable)
    run = make(model, code, "scanned")
    preparation = Preparation(run, model)
    assert preparation.from_scan
    preparation.write()
    assert len(words(run)) == 40
    assert sorted(path.name for path in run.dataset_dir.iterdir()) == [
        "begun.json",
        "held_out.jsonl",
        "manifest.json",
        "progress.json",
        "train.rows",
        "val.rows",
    ]


def test_the_sides_are_those_that_the_scan_showed(model: Path, code: Path, scanned: Run) -> None:
    run = make(model, code, "sides")
    assert begins_from_scan(run, Preparation(run, model).known.tokenizer)
    with Shelf(run.dataset_dir) as shelf:
        begun = begin(run, shelf, from_scan=True)
        sides = {entry.path: "train" for entry in begun.train}
        sides |= {entry.path: "val" for entry in begun.held_out}
        texts = [document.text for document in begun.texts.view(begun.train)]
        begun.texts.close()
    assert sides == sides_of(scanned)
    assert texts == [(code / entry.path).read_text() for entry in begun.train]


def test_a_small_source_gives_the_same_rows_with_a_scan_and_without(
    model: Path, code: Path
) -> None:
    plain = make(model, code, "plain", max_steps=30)
    Preparation(plain, model).write()
    time.sleep(2 * SETTLED_S)
    scan_here(Home.current().create_scan(plain.config()))
    again = make(model, code, "again", max_steps=30)
    preparation = Preparation(again, model)
    assert preparation.from_scan
    preparation.write()
    assert np.array_equal(words(plain), words(again))
    assert np.array_equal(words(plain, "val"), words(again, "val"))


@pytest.mark.usefixtures("scanned")
def test_a_source_that_changed_since_its_scan_is_read(model: Path, code: Path) -> None:
    (code / "new.py").write_text("x = 1\n" * 50)
    time.sleep(2 * SETTLED_S)
    assert not Preparation(make(model, code, "changed"), model).from_scan


@pytest.mark.usefixtures("scanned")
def test_a_run_begun_from_a_scan_goes_on_when_source_and_cache_are_gone(
    model: Path, code: Path
) -> None:
    whole, torn = make(model, code, "whole"), make(model, code, "torn")
    Preparation(whole, model).write()
    Preparation(torn, model)  # and the process ends here
    (code / "new.py").write_text("x = 1\n" * 50)
    for entry in (Home.current().cache_dir / "scan" / "whole").iterdir():
        for file in entry.iterdir():
            file.unlink()
    Preparation(torn, model).write()
    assert np.array_equal(words(torn), words(whole))


@pytest.mark.usefixtures("scanned")
def test_a_run_whose_scanned_code_is_gone_says_so(model: Path, code: Path) -> None:
    run = make(model, code, "lost")
    Preparation(run, model)
    (run.dataset_dir / "documents.jsonl").unlink()
    with pytest.raises(SourceError, match="scanned code that this run is made from is gone"):
        Preparation(run, model).write()


def test_the_files_of_a_source_that_was_never_scanned_are_not_asked_for_their_times(
    model: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_cache, "source_state", unreadable)
    assert not Preparation(make(model, code, "first"), model).from_scan


def test_a_run_begun_from_its_source_does_not_change_to_a_later_scan(
    model: Path, code: Path
) -> None:
    run = make(model, code, "source")
    Preparation(run, model)
    time.sleep(2 * SETTLED_S)
    scan_here(Home.current().create_scan(run.config()))
    assert not Preparation(run, model).from_scan
    assert read_json(run.dataset_dir / "begun.json") == {"from": "source"}


# --- from the source, whole or in blocks


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "WHOLE", 2_000)
    monkeypatch.setattr(beginning, "FIRST_BLOCK", 1_500)
    monkeypatch.setattr(beginning, "MOST_HELD_OUT", 1_500)


def all_of(run: Run) -> tuple[list[Document], list[Document], int]:
    """Return both sides over all blocks, and how many documents were known at first."""
    with Shelf(run.dataset_dir) as shelf:
        begun = begin(run, shelf, from_scan=False)
        first = len(begun.train)
        entries = [*begun.train, *(entry for block in begun.more for entry in block)]
        return list(shelf.view(entries)), list(shelf.view(begun.held_out)), first


def test_a_small_source_is_read_whole_and_split_as_ever(model: Path, code: Path) -> None:
    run = make(model, code, "small")
    found = read_documents(run.config())
    sides = split_documents([item for item in found if isinstance(item, Document)], run.config())
    train, held_out, first = all_of(run)
    assert (train, held_out, first) == (*sides, len(train))


@pytest.mark.usefixtures("small_blocks")
def test_a_large_folder_comes_in_blocks_and_all_of_it_comes(model: Path, code: Path) -> None:
    train, held_out, first = all_of(make(model, code, "large"))
    paths = {document.path for document in [*train, *held_out]}
    every = {path.relative_to(code).as_posix() for path in code.rglob("*.py")}
    assert 0 < first < len(train)
    assert held_out
    assert paths <= every
    assert len(paths) == len(train) + len(held_out)
    assert len(every - paths) <= 4  # held out, and more than is measured


@pytest.mark.usefixtures("small_blocks")
def test_a_tree_is_listed_to_its_end_only_when_more_of_it_is_wanted(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    for place in range(900):
        file = tree / f"d{place % 30}" / f"f{place}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"value_{place} = {place}\n" * 9)
    calls: list[int] = []

    def noting(found: list[Listed], *rest: Any) -> Iterator[Listed]:
        calls.append(len(found))
        return in_turn(found, *rest)

    monkeypatch.setattr(beginning, "in_turn", noting)
    monkeypatch.setattr(beginning, "FIRST_LISTED", 700)
    run = make(model, tree, "tree")
    with Shelf(run.dataset_dir) as shelf:
        begun = begin(run, shelf, from_scan=False)
        assert calls == [700]
        expected = begun.count()
        assert calls == [700, 200]
        train = [*begun.train, *(entry for block in begun.more for entry in block)]
        held_out = begun.held_out
    assert calls == [700, 200]
    paths = {entry.path for entry in train}
    assert held_out
    assert not paths & {entry.path for entry in held_out}
    assert len(paths) == len(train) > 700
    assert sum(entry.size for entry in train) == expected
    sides = {entry.group for entry in held_out}
    assert not sides & {entry.group for entry in train}


@pytest.mark.usefixtures("small_blocks")
def test_rows_cut_in_blocks_are_the_same_in_a_second_attempt(model: Path, code: Path) -> None:
    run = make(model, code, "blocks", max_steps=60)
    Preparation(run, model).write()
    whole = words(run).copy()
    path = run.dataset_dir / "train.rows"
    path.write_bytes(path.read_bytes()[: 9 * SEQ * 4 + 5])
    Preparation(run, model).write()
    assert len(whole) == 240
    assert np.array_equal(words(run), whole)


def table(folder: Path, seed: int) -> Path:
    """A table of 120 files of 30 repositories, in any order."""
    luck = random.Random(seed)
    lines = []
    for number in range(120):
        name = f"value_{seed}_{number}"
        text = "".join(f"{name}_{place} = {place * number}\n" for place in range(12))
        row = {"content": text, "path": f"f{number}.py", "repo": f"own/r{luck.randrange(30)}"}
        lines.append(json.dumps(row) + "\n")
    file = folder / "rows.jsonl"
    file.write_text("".join(lines))
    return file


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.usefixtures("small_blocks")
def test_a_repository_of_a_table_stays_on_one_side_over_all_blocks(
    model: Path, tmp_path: Path, seed: int
) -> None:
    run = make(model, table(tmp_path, seed), f"table-{seed}")
    train, held_out, first = all_of(run)
    assert held_out
    assert 0 < first < len(train)
    held = {document.path for document in held_out}
    assert not held & {document.path for document in train}
    level = {document.group for document in held_out} & {document.group for document in train}
    assert not level or _too_few_groups(run)


def _too_few_groups(run: Run) -> bool:
    """Say whether the first block has fewer repositories than a split by repository needs."""
    with Shelf(run.dataset_dir) as shelf:
        begun = begin(run, shelf, from_scan=False)
        return len({entry.group for entry in [*begun.train, *begun.held_out]}) < 20


@pytest.mark.usefixtures("small_blocks")
def test_a_table_is_held_out_from_its_first_block_only(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = ({"content": f"value_{n} = {n}\nother_{n} = {n * n}\n" * 3} for n in range(200))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    train, held_out, _ = all_of(make(model, file, "rows"))
    assert len(train) + len(held_out) == 200
    assert max(int(document.path.removeprefix("row ")) for document in held_out) < 80


@pytest.mark.usefixtures("small_blocks")
def test_several_large_sources_are_in_the_first_block_alike(
    model: Path, tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "FIRST_BLOCK", 12_000)
    run = make(model, f"{table(tmp_path, 0)}; {code}", "both")
    train, _, first = all_of(run)
    sources = [document.path.partition("/")[0] for document in train[:first]]
    assert 0.3 < sources.count("rows") / first < 0.7
    assert len(set(sources)) == 2
