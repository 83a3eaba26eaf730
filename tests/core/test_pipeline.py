from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import ConfigError, SourceError
from codetune_ui.core.pipeline import collect
from codetune_ui.core.source import read_source
from codetune_ui.core.tally import ScanReport
from tests.core.planted import planted

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


LONG = "".join(f"def value_{n}(count):\n    return count + {n}\n\n\n" for n in range(30))


def document(path: str, text: str, language: str = "Python") -> Document:
    return Document(text, path, language, path)


def test_a_near_copy_names_the_first_path_and_how_alike() -> None:
    found = [document("a.py", LONG), document("b.py", LONG + "print(value_3(1))\n")]
    assert list(collect(found, Config()))[1] == Dropped(
        "b.py", DropReason.NEAR_DUPLICATE, "Python", "of a.py, 98 % alike"
    )


def test_near_copies_stay_where_the_rule_is_off() -> None:
    found = [document("a.py", LONG), document("b.py", LONG + "print(value_3(1))\n")]
    assert list(collect(found, Config(near_duplicates=1.0))) == found


def test_a_forced_copy_stays_and_a_copy_of_it_is_told_by_the_first() -> None:
    found = [document(path, LONG) for path in ("a.py", "b.py", "c.py")]
    out = list(collect(found, Config(force_in="b.py")))
    assert out[:2] == found[:2]
    assert out[2] == Dropped("c.py", DropReason.DUPLICATE, "Python", "of a.py")


def test_a_forced_file_still_loses_its_secrets() -> None:
    plant = next(planted(1))
    out = list(collect([document("a.py", plant.text)], Config(force_in="*")))
    assert isinstance(out[0], Document)
    assert plant.secret not in out[0].text
    assert [finding.rule for finding in out[0].findings] == ["aws key id"]


def test_two_files_that_differ_by_a_secret_only_are_copies() -> None:
    plants = [plant.text for plant in planted(5) if plant.kind == "aws id"][::4]
    out = list(collect([document("a.py", plants[0]), document("b.py", plants[1])], Config()))
    assert isinstance(out[1], Dropped)
    assert (out[1].detail, len(out[1].findings)) == ("of a.py", 1)


def test_what_was_read_before_a_source_failed_comes_out_first() -> None:
    def torn() -> Iterator[Document | Dropped]:
        yield document("a.py", "a = b\n")
        yield Dropped("b.md", DropReason.NOT_CODE)
        raise SourceError("The line was cut.")

    way = collect(torn(), Config())
    assert [next(way).path, next(way).path] == ["a.py", "b.md"]
    with pytest.raises(SourceError, match="cut"):
        next(way)


def test_a_language_that_nobody_knows_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match="no language"):
        collect(iter(()), Config(languages="Pyhton"))


def test_the_order_is_that_of_the_source_over_many_batches() -> None:
    found = [
        Dropped(f"{n:04}", DropReason.NOT_CODE)
        if n % 7 == 0
        else document(f"{n:04}", f"value_{n} = call_{n}(other_{n})\n")
        for n in range(1500)
    ]
    assert [item.path for item in collect(found, Config())] == [item.path for item in found]


def test_no_more_is_read_than_the_first_files_need() -> None:
    read = 0

    def endless() -> Iterator[Document]:
        nonlocal read
        while True:
            read += 1
            yield document(f"{read}.py", f"a = b{read}\n")

    next(collect(endless(), Config()))
    assert read <= 200


def test_files_are_told_of_as_they_are_read_and_cleaned() -> None:
    told: list[Document | Dropped] = []
    found = [document("a.py", "a = b\n"), document("a.py", "a = b\n"), document("b.py", " ")]
    out = list(collect(found, Config(), told.append))
    assert told[0] == out[0] == found[0]
    assert isinstance(told[1], Document)  # that it is a copy is known later
    assert told[2] == out[2] == Dropped("b.py", DropReason.EMPTY, "Python")
    assert [item.path for item in told] == ["a.py", "a.py (2)", "b.py"]
