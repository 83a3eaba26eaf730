from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import SourceError
from codetune_ui.core.listing import Listed, in_turn, list_sources
from codetune_ui.core.source import read_source
from codetune_ui.core.split import choose_split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "code"
    for place in range(40):
        file = root / f"part{place % 4}" / f"f{place}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"value_{place} = {place}\n" * 20)
    (root / "part0" / "photo.png").write_bytes(b"\x89PNG")
    (root / "part0" / "empty.py").write_text("")
    (root / "part0" / "secret.log").write_text("x")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x.js").write_text("let x = 1;\n")
    return root


def listed(source: str, **changes: object) -> list[Listed] | None:
    config = Config.from_dict({"source": source, **changes})
    found = list_sources(config, lambda place: Path(place))
    return None if found is None else list(found)


def kept(source: str) -> dict[str, Document]:
    items = read_source(Config(source=source), demo_code=Path("none"))
    return {item.path: item for item in items if isinstance(item, Document) and item.text}


def zipped(folder: Path) -> Path:
    packed = folder.parent / "code.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder).as_posix())
    return packed


def test_a_folder_lists_what_reading_it_gives(folder: Path) -> None:
    found = listed(str(folder)) or []
    assert {file.path: file.read() for file in found} == kept(str(folder))
    assert len(found) == 40


def test_a_zip_lists_what_reading_it_gives(folder: Path) -> None:
    packed = str(zipped(folder))
    found = listed(packed) or []
    assert {file.path: file.read() for file in found} == kept(packed)
    assert len(found) == 40


def test_several_sources_list_the_names_groups_and_weights_of_their_reading(folder: Path) -> None:
    source = f"{folder} *2; {zipped(folder)}"
    found = listed(source) or []
    assert {file.path: file.read() for file in found} == kept(source)
    assert len(found) == 80
    assert all(file.group == kept(source)[file.path].group for file in found[::13])


def test_the_size_is_that_of_the_file(folder: Path) -> None:
    sizes = {file.path: file.size for file in listed(str(folder)) or []}
    assert sizes["part1/f1.py"] == (folder / "part1" / "f1.py").stat().st_size == 240


def test_the_list_begins_in_many_folders_and_in_all_sources(folder: Path) -> None:
    found = listed(f"{folder}; {zipped(folder)}") or []
    first = {file.path.rpartition("/")[0] for file in found[:30]}
    assert {path.partition("/")[0] for path in first} == {"code", "code-2"}
    names = [file.path for file in listed(str(folder)) or [] if file.path.startswith("part1/")]
    assert sorted(names) != names


def test_a_list_that_is_not_read_on_opens_no_further_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(200):
        file = tmp_path / f"{place % 7}" / f"d{place}" / "a.py"
        file.parent.mkdir(parents=True)
        file.write_text("x = 1\n")
    opened: list[str] = []
    scandir = os.scandir

    def noting(path: str) -> Any:
        opened.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noting)
    found = list_sources(Config(source=str(tmp_path)), lambda place: Path(place)) or iter(())
    first = {next(found).path.partition("/")[0] for _ in range(20)}
    assert len(opened) <= 1 + 7 + 20 + 1
    assert len(first) >= 5
    assert len({file.path for file in found}) == 180


def test_rules_of_folders_hold_in_any_order(tmp_path: Path) -> None:
    for place in range(30):
        file = tmp_path / f"d{place}" / "inner" / "a.py"
        file.parent.mkdir(parents=True)
        file.write_text("x = 1\n")
        if place % 2:
            (tmp_path / f"d{place}" / ".gitignore").write_text("inner/\n")
    (tmp_path / "d3" / ".gitignore").write_text("*.py\n!a.py\n")
    names = {file.path for file in listed(str(tmp_path)) or []}
    assert names == kept(str(tmp_path)).keys()
    assert len(names) == 16


def test_a_table_is_only_known_by_reading_it(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"content": "x"}\n')
    assert listed(str(tmp_path / "rows.jsonl")) is None


def test_a_file_that_is_no_zip_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("no")
    with pytest.raises(SourceError, match="cannot be read as a zip file"):
        listed(str(tmp_path / "a.zip"))


def test_patterns_and_size_limits_hold_for_the_list(folder: Path) -> None:
    found = listed(str(folder), exclude="part0/") or []
    assert {file.path.partition("/")[0] for file in found} == {"part1", "part2", "part3"}


def test_held_out_files_come_first_and_then_all_of_the_training(folder: Path) -> None:
    found = listed(str(folder)) or []
    split = choose_split(found, Config(held_out_share=0.25))
    order = in_turn(found, split, 10**9, 10**9)
    sides = [split.holds_out(file) for file in order]
    assert sides == [True] * sum(sides) + [False] * (40 - sum(sides))
    assert 0 < sum(sides) < 40


def test_held_out_files_beyond_what_is_measured_are_not_read(folder: Path) -> None:
    found = listed(str(folder)) or []
    split = choose_split(found, Config(held_out_share=0.25))
    held_out = [file for file in in_turn(found, split, 300, 10**9) if split.holds_out(file)]
    assert [file.size for file in held_out][:-1] == [240] * (len(held_out) - 1)
    assert sum(file.size for file in held_out[:-1]) < 300 <= sum(file.size for file in held_out)


def test_of_small_held_out_files_only_so_many_are_read(folder: Path) -> None:
    found = listed(str(folder)) or []
    split = choose_split(found, Config(held_out_share=0.25))
    order = list(in_turn(found, split, 10**9, 3))
    assert [split.holds_out(file) for file in order[:4]] == [True, True, True, False]
    assert sum(map(split.holds_out, order)) == 3


def test_the_first_files_are_of_every_directory(folder: Path) -> None:
    found = listed(str(folder)) or []
    split = choose_split(found, Config())
    train = [file for file in in_turn(found, split, 10**9, 10**9) if not split.holds_out(file)]
    assert {file.path.partition("/")[0] for file in train[:12]} == {
        "part0",
        "part1",
        "part2",
        "part3",
    }
