from __future__ import annotations

import os
import random
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Finding
from codetune_ui.core.families import find_format
from codetune_ui.core.pack import to_words
from codetune_ui.core.recipe import Recipe, rows
from codetune_ui.core.sources import shown
from codetune_ui.core.split import split_documents
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.shelf import Entry, Shelf

ANY = st.text(st.characters(exclude_categories=()))  # lone surrogates too, and NUL
PLAIN = st.text()
DOCUMENTS = st.builds(
    Document,
    text=ANY,
    path=ANY,
    language=PLAIN,
    group=ANY,
    note=PLAIN,
    weight=st.floats(0.01, 100),
    changed=st.floats(0, 2e9),
    findings=st.lists(st.builds(Finding, st.integers(1, 9), PLAIN, PLAIN), max_size=2).map(tuple),
)


def code(number: int, weight: float = 1.0) -> Document:
    text = "".join(f"def area_{number}_{k}(w, h):\n    return w * h * {k}\n" for k in range(25))
    return Document(
        text, f"part{number % 7}/{number}.py", "Python", f"part{number % 7}", "", weight
    )


@given(st.lists(DOCUMENTS, max_size=6), st.randoms(use_true_random=False))
def test_documents_come_back_as_they_were_in_any_order(
    documents: list[Document], rng: random.Random
) -> None:
    with tempfile.TemporaryDirectory() as folder, Shelf(Path(folder)) as shelf:
        both = list(zip(shelf.put(documents), documents, strict=True))
        rng.shuffle(both)
        assert all(shelf.read(entry) == document for entry, document in both)
        late = shelf.append(code(1))  # after reading in the middle of the file
        assert shelf.read(late) == code(1)
        assert all(shelf.read(entry) == document for entry, document in both)


def test_an_entry_says_what_the_split_asks_for(tmp_path: Path) -> None:
    document = Document("é\n", "a/b.py", "Python", "a", "", 2.5, 7.0)
    with Shelf(tmp_path) as shelf:
        assert shelf.append(document) == Entry("a/b.py", "a", 2, 7.0, 2.5, 0)


def test_a_view_is_a_sequence_of_documents(tmp_path: Path) -> None:
    documents = [code(number) for number in range(5)]
    with Shelf(tmp_path) as shelf:
        view = shelf.view(shelf.put(documents))
        assert len(view) == 5
        assert view[-1] == documents[4]
        assert list(view[1:3]) == documents[1:3]
        assert list(view) == documents
        with pytest.raises(IndexError):
            view[5]


def test_a_repeat_has_the_text_of_its_document_and_a_path_of_its_own(tmp_path: Path) -> None:
    with Shelf(tmp_path) as shelf:
        again = shown([shelf.append(code(3, weight=2.0))], 0, 0)
        assert [document.path for document in shelf.view(again)] == [
            "part3/3.py",
            "part3/3.py (again 1)",
        ]
        assert {document.text for document in shelf.view(again)} == {code(3).text}


def test_nothing_is_left_in_the_folder_also_after_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    shelf = Shelf(folder)
    with pytest.raises(KeyError), shelf:
        raise KeyError(shelf.append(code(1)).path)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="folders of a person are private there")
def test_the_file_is_its_owner_s_alone_and_has_no_name_to_be_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Shelf(folder) as shelf:
        shelf.append(code(1))
        about = os.fstat(shelf._file.fileno())
        assert stat.S_IMODE(about.st_mode) == 0o600
        assert about.st_nlink == 0
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_the_rows_are_those_of_documents_in_memory(
    tmp_path: Path, tiny_tokenizer: Path, weight: float
) -> None:
    (tiny_tokenizer / "fim.json").write_text('{"family": "starcoder"}')
    config = Config(max_seq_len=128, fim_rate=0.5)
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    format = find_format(tokenizer, tiny_tokenizer, config)
    recipe = Recipe.from_config(config, tokenizer, format)
    documents = [code(number, weight) for number in range(30)]
    train, held_out = split_documents(documents, config)
    with Shelf(tmp_path) as shelf:
        on_disk = split_documents(shelf.put(documents), config)
        assert list(shelf.view(on_disk[0])) == train
        assert list(shelf.view(on_disk[1])) == held_out
        for epoch in range(2):
            expected = [to_words(row) for row in rows(shown(train, 0, epoch), recipe, epoch)]
            view = shelf.view(shown(on_disk[0], 0, epoch))
            found = [to_words(row) for row in rows(view, recipe, epoch)]
            assert len(found) > 20
            assert [row.tobytes() for row in found] == [row.tobytes() for row in expected]
