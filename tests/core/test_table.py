from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.errors import SourceError
from codetune_ui.core.source import read_source
from codetune_ui.core.table import document_from_row

ROWS = [
    {"repo_id": "me/lib", "file_path": "src/a.py", "content": "a = 1\n"},
    {"repo_id": "me/lib", "file_path": "README.md", "content": "words"},
    {"repo_id": "me/web", "file_path": "src/a.py", "content": None},
    {"repo_id": "me/web", "file_path": "b.ts", "content": "let b = 2\r\n"},
]


def read(file: Path, **settings: Any) -> list[Document | Dropped]:
    return list(read_source(Config(source=str(file), **settings), demo_code=file))


def test_a_row_takes_path_group_and_language_from_the_usual_columns(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)))
    assert read(file) == [
        Document("a = 1\n", "me/lib/src/a.py", "Python", "me/lib"),
        Dropped("me/lib/README.md", "not code"),
        Dropped("me/web/src/a.py", "not text in the column", "Python"),
        Document("let b = 2\n", "me/web/b.ts", "TypeScript", "me/web", "line ends were CRLF"),
    ]


def test_json_and_parquet_give_the_same_as_jsonl(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    expected = read(tmp_path / "rows.jsonl")
    assert read(tmp_path / "rows.json") == expected
    assert read(tmp_path / "rows.parquet") == expected


def test_a_row_without_a_path_is_taken_at_its_word() -> None:
    row = {"content": "a = 1\n", "language": "python"}
    assert document_from_row(row, 4, Config()) == Document("a = 1\n", "row 5", "Python", "row 5")


def test_include_and_exclude_hold_for_rows_with_a_path() -> None:
    row = {"path": "src/a.py", "content": "a = 1\n"}
    dropped = document_from_row(row, 0, Config(exclude="src/"))
    assert dropped == Dropped("src/a.py", "matches 'Not these files'", "Python")


def test_half_a_surrogate_pair_is_not_utf8() -> None:
    row = {"content": "a = '\ud800'\n"}
    assert document_from_row(row, 0, Config()) == Dropped("row 1", "not UTF-8", "Unknown")


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_a_missing_column_names_those_that_are_there(tmp_path: Path, ending: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    file = tmp_path / f"rows.{ending}"
    row = {"code": "a = 1\n", "path": "a.py"}
    if ending == "parquet":
        parquet.write_table(pa.Table.from_pylist([row]), file)
    else:
        file.write_text(json.dumps(row if ending == "jsonl" else [row]))
    with pytest.raises(SourceError) as error:
        read(file)
    assert error.value.message == f"'rows.{ending}' has no column 'content'."
    assert error.value.hint == "Set 'Column' to one of: code, path."


def test_another_column_can_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"code": "a = 1\\n"}\n')
    assert [item.path for item in read(file, data_column="code")] == ["row 1"]


def test_a_broken_line_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"content": "a = 1"}\n{"content": \n\xff\xfe\n\n[1]\n{"content": "b = 2"}\n')
    told = [(item.path, getattr(item, "reason", "kept")) for item in read(file)]
    assert [reason for _, reason in told] == ["kept", *["cannot be read"] * 3, "kept"]
    assert [path for path, _ in told][1:4] == ["line 2", "line 3", "line 5"]


def test_a_text_is_cut_at_blank_lines(tmp_path: Path) -> None:
    block = "value = 1\n" * 100 + "\n"
    file = tmp_path / "all.txt"
    file.write_text(block * 9)
    found = read(file)
    assert [item.path for item in found] == ["row 1", "row 2", "row 3"]
    assert "".join(item.text for item in found if isinstance(item, Document)) == block * 9


@pytest.mark.parametrize("name", ["a.json", "a.parquet", "a.txt"])
def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"\xff\x00\x80 no table")
    with pytest.raises(SourceError):
        read(file)


def test_a_list_inside_an_object_is_found(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"version": 1, "data": ["a = 1\n"]}))
    assert [item.path for item in read(file)] == ["row 1"]
