from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.errors import SourceError
from codetune_ui.core.pipeline import collect
from codetune_ui.core.tally import ScanReport
from codetune_ui.core.source import read_source
from codetune_ui.core.split import split_documents

NAMES = st.sampled_from(
    [
        *("a.py", "b.py", "c.ts", ".env", "README.md", "x.min.js", "data.json", "run"),
        *(".gitignore", "e\u0301.py", "poetry.lock", "node_modules", "dist", "src", "\u2028.py"),
    ]
)
TEXTS = st.sampled_from(
    [
        b"",
        b" \n",
        b"a = 1\n",
        b"a = 1\r\n",
        b"\xef\xbb\xbfb = 2\n",
        b"caf\xe9 = 1\n",
        b"a\0b",
        b"#!/bin/sh\necho hello\n",
        b"x" * 1500,
        b"1,2,3\n" * 50,
        b"# @generated\nx = y\n",
        b"*.ts\n!c.ts\nsrc/\n",
        b"def f(value):\n    return value\n" * 40,
    ]
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=4).map("/".join), TEXTS, min_size=1, max_size=14
)


def write(root: Path, tree: dict[str, bytes]) -> set[str]:
    """Write what fits: a name cannot be a file and a folder at once."""
    written = set()
    for path, data in tree.items():
        place = root / path
        if any(parent.is_file() for parent in place.parents) or place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        written.add(path)
    return written


def scan(source: Path) -> tuple[ScanReport, list[Document]]:
    config = Config(source=str(source))
    report, documents = ScanReport(), list[Document]()
    with contextlib.suppress(SourceError):  # a tree may hold no code
        for item in collect(read_source(config, demo_code=source), config):
            report.add(item)
            if isinstance(item, Document):
                documents.append(item)
    return report, documents


@settings(deadline=None, max_examples=60)
@given(TREES)
def test_the_counts_add_up_on_any_tree(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        written = write(Path(name), tree)
        report, documents = scan(Path(name))
    found = report.to_dict()
    assert {line["path"] for line in found["files"]} == written
    assert found["found"] == len(written) == found["kept"] + sum(found["dropped"].values())
    assert found["kept"] == len(documents)
    assert found["characters"] == sum(found["languages"].values())
    reasons = Counter(line["reason"] for line in found["files"] if line["reason"])
    assert reasons == found["dropped"]
    json.dumps(found)


@settings(deadline=None, max_examples=40)
@given(TREES)
def test_a_zip_of_a_tree_says_what_the_tree_says(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "tree"
        root.mkdir()
        written = write(root, tree)
        with zipfile.ZipFile(Path(name) / "tree.zip", "w") as packed:
            for path in written:
                packed.write(root / path, path)
        from_folder, _ = scan(root)
        from_zip, _ = scan(Path(name) / "tree.zip")
    assert from_zip.to_dict()["dropped"].keys() == from_folder.to_dict()["dropped"].keys()
    assert from_zip.kept == from_folder.kept


def test_a_duplicate_names_the_first_path() -> None:
    twice = [Document("a = b\n", path, "Python", "x") for path in ("a.py", "b.py")]
    assert list(collect(twice, Config())) == [
        twice[0],
        Dropped("b.py", "exact duplicate", "Python", "of a.py"),
    ]


def test_a_path_that_comes_twice_is_told_apart() -> None:
    found = [Document(text, "a.py", "Python", "x") for text in ("a = b\n", "c = d\n")]
    assert [item.path for item in collect(found, Config())] == ["a.py", "a.py (2)"]


def test_reading_ends_after_the_most_documents() -> None:
    def endless() -> object:
        number = 0
        while True:
            number += 1
            yield Document(f"a = b{number}\n", f"{number}.py", "Python", "x")

    kept = list(collect(endless(), Config(max_documents=3)))  # type: ignore[arg-type]
    assert [item.path for item in kept] == ["1.py", "2.py", "3.py"]


def test_the_report_has_every_field_of_a_scan() -> None:
    report = ScanReport()
    documents: list[Document] = [
        Document("value = 1\n" * 20, f"{n}.py", "Python", f"{n}.py", "line ends were CRLF")
        for n in range(4)
    ]
    for document in documents:
        report.add(document)
    report.add(Dropped("x.md", "not code"))
    report.set_tokens({f"{n}.py": 80 for n in range(4)})
    report.set_split(*split_documents(documents, Config()))
    found = report.to_dict()
    files = found.pop("files")
    assert found == {
        "found": 5,
        "kept": 4,
        "dropped": {"not code": 1},
        "languages": {"Python": 800},
        "notes": {"line ends were CRLF": 4},
        "characters": 800,
        "tokens": 320,
        "chars_per_token": 2.5,
        "train": 3,
        "held_out": 1,
        "train_tokens": 240,
        "held_out_tokens": 80,
        "secrets": [],
    }
    assert sorted(line["split"] for line in files[:4]) == ["train", "train", "train", "val"]
    assert files[4] == {"path": "x.md", "language": "", "reason": "not code", "detail": ""}
