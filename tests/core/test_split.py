from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import SourceError
from codetune_ui.core.split import choose_split, held_out_share, split_documents

LINE = "value = compute(other)\n"  # 23 characters


def document(path: str, lines: int = 40, group: str = "") -> Document:
    return Document(LINE * lines, path, "Python", group or path.partition("/")[0])


def many(folders: int, files: int) -> list[Document]:
    return [document(f"dir{f}/sub{n % 7}/{n}.py") for f in range(folders) for n in range(files)]


def share(documents: list[Document], config: Config | None = None) -> float:
    _, val = split_documents(documents, config or Config())
    return sum(len(d.text) for d in val) / sum(len(d.text) for d in documents)


def test_many_repositories_are_split_as_wholes() -> None:
    documents = [document(f"me/r{r}/{n}.py", group=f"me/r{r}") for r in range(60) for n in range(5)]
    train, val = split_documents(documents, Config())
    assert not {d.group for d in train} & {d.group for d in val}
    assert 0.1 <= len(val) / len(documents) <= 0.3


@pytest.mark.parametrize(("folders", "files"), [(1, 30), (3, 40), (3, 4), (1, 2), (2, 200)])
def test_few_folders_fall_to_finer_groups(folders: int, files: int) -> None:
    documents = many(folders, files)
    train, val = split_documents(documents, Config())
    assert train
    assert val
    if len(documents) >= 10:
        assert 0.1 <= share(documents) <= 0.3


def test_the_split_keeps_the_order_and_loses_nothing() -> None:
    documents = many(3, 20)
    train, val = split_documents(documents, Config())
    assert [d for d in documents if d in train] == train
    assert [d for d in documents if d in val] == val
    assert len(train) + len(val) == 60


def test_more_files_leave_the_others_where_they_were() -> None:
    before = many(30, 10)
    after = [*before, *(document(f"new{n}/x.py") for n in range(20))]
    split, later = choose_split(before, Config()), choose_split(after, Config())
    assert split.chosen is None
    assert [split.holds_out(d) for d in before] == [later.holds_out(d) for d in before]


def test_neither_order_nor_seed_moves_a_file() -> None:
    documents = many(4, 12)
    _, val = split_documents(documents, Config(seed=0))
    _, again = split_documents(documents[::-1], Config(seed=9))
    assert {d.path for d in val} == {d.path for d in again}


def test_a_document_that_comes_later_has_a_side_too() -> None:
    split = choose_split(many(200, 5), Config())
    later = [document(f"dir{f}/late.py") for f in range(200)]
    assert [split.holds_out(d) for d in later] == [
        split.holds_out(document(f"dir{f}/sub0/0.py")) for f in range(200)
    ]


def test_a_large_source_holds_out_a_few_hundred_windows() -> None:
    config = Config(max_seq_len=2048)
    assert held_out_share(1_000_000, config) == 0.2
    assert held_out_share(20_000_000, config) == 0.1
    held_out = 1e9 * held_out_share(1_000_000_000, config)
    assert 100 < held_out / (2048 * 3.5) <= 300


def test_a_chosen_share_is_taken_as_it_is() -> None:
    assert 0.2 <= share(many(3, 100), Config(held_out_share=0.4)) <= 0.6


def test_one_huge_file_is_not_held_out() -> None:
    documents = [document("huge.py", 4000), *(document(f"{n}.py", 10) for n in range(3))]
    train, val = split_documents(documents, Config())
    assert "huge.py" in {d.path for d in train}
    assert val


@pytest.mark.parametrize("documents", [[], [document("a.py")], [document("a.py", 1)] * 2])
def test_too_little_code_says_how_much_works(documents: list[Document]) -> None:
    with pytest.raises(SourceError) as error:
        split_documents(documents, Config())
    assert error.value.hint == "Give at least 2 files that differ, and 100 characters."


@given(st.dictionaries(st.from_regex(r"[a-c]/[a-d]/[a-z]{1,3}", fullmatch=True),
                       st.integers(5, 500), min_size=2))  # fmt: skip
def test_both_sides_are_never_empty(sizes: dict[str, int]) -> None:
    documents = [document(path, lines) for path, lines in sizes.items()]
    train, val = split_documents(documents, Config())
    assert train
    assert val
    assert len(train) + len(val) == len(documents)


def test_by_time_the_side_follows_from_the_day_alone() -> None:
    day = 1767225600.0  # 2026-01-01
    documents = [replace(d, changed=day + n - 3) for n, d in enumerate(many(1, 6))]
    config = Config(held_out_after="2026-01-01")
    train, val = split_documents(documents, config)
    assert (len(train), len(val)) == (3, 3)
    split = choose_split(documents, config)
    later = replace(document("new/x.py"), changed=day + 99)
    assert split.holds_out(later)
    assert not split.holds_out(replace(later, changed=day - 1))


@pytest.mark.parametrize(("files", "characters"), [(0, 0), (1, 5000), (2, 60)])
def test_too_little_code_is_refused_with_the_smallest_amount_that_works(
    files: int, characters: int
) -> None:
    text = "x" * (characters // max(1, files))
    documents = [Document(text, f"{n}.py", "Python", f"{n}.py") for n in range(files)]
    with pytest.raises(SourceError, match="too little code") as caught:
        split_documents(documents, Config())
    assert caught.value.hint == "Give at least 2 files that differ, and 100 characters."


def test_the_smallest_amount_that_is_named_works() -> None:
    documents = [Document("x" * 50, f"{n}.py", "Python", f"{n}.py") for n in range(2)]
    train, val = split_documents(documents, Config())
    assert (len(train), len(val)) == (1, 1)


def test_sources_of_one_layout_are_not_split_together() -> None:
    names = [f"{source}/src/{n}.py" for source in ("one", "two") for n in range(40)]
    documents = [Document(LINE * 40, name, "Python", f"{name[:3]}/src") for name in names]
    split = choose_split(documents, Config())
    assert not {split.key(d) for d in documents[:40]} & {split.key(d) for d in documents[40:]}


def test_a_frozen_split_holds_out_what_it_met_and_nothing_that_comes_later() -> None:
    first = [document(f"me/r{r}/{n}.py", group=f"me/r{r}") for r in range(60) for n in range(2)]
    split = choose_split(first, Config())
    frozen = split.frozen(first)
    assert [frozen.holds_out(d) for d in first] == [split.holds_out(d) for d in first]
    later = [document(f"me/s{r}/0.py", group=f"me/s{r}") for r in range(300)]
    assert sum(split.holds_out(d) for d in later) > 30
    assert not any(frozen.holds_out(d) for d in later)
    more = [document(f"{d.group}/later.py", group=d.group) for d in first]
    assert [frozen.holds_out(d) for d in more] == [split.holds_out(d) for d in first]


def test_a_first_block_may_hold_out_more_than_the_whole_would() -> None:
    documents = [document(f"me/r{r}/{n}.py", group=f"me/r{r}") for r in range(60) for n in range(5)]
    split = choose_split(documents, Config(), share=0.5)
    assert 0.25 <= sum(map(split.holds_out, documents)) / len(documents) <= 0.75
