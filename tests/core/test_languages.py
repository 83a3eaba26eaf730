from __future__ import annotations

from posixpath import splitext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identify import extensions, identify

from codetune_ui.core.languages import EXTENSIONS, LANGUAGES, language_of, may_need_first_line


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a.py", "Python"),
        ("a.pyi", "Python"),
        ("A.PY", "Python"),
        ("web/app.tsx", "TypeScript"),
        ("a.cpp", "C++"),
        ("a.h", "C++"),
        ("a.c", "C"),
        ("a.cu", "CUDA"),
        ("a.rs", "Rust"),
        ("a.vue", "Vue"),
        ("a.sol", "Solidity"),
        ("a.mm", "Objective-C++"),
        ("Makefile", "Makefile"),
        ("Dockerfile", "Dockerfile"),
        ("README.md", None),
        ("a.json", None),
        ("a.yaml", None),
        ("notebook.ipynb", None),
        ("a.png", None),
        ("LICENSE", None),
        ("a.unknown", None),
    ],
)
def test_a_name_tells_the_language(path: str, language: str | None) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize(
    ("line", "language"),
    [
        (b"#!/usr/bin/env python3", "Python"),
        (b"#!/bin/sh -e", "Shell"),
        (b"#!/usr/bin/node", "JavaScript"),
        (b"#!", None),
        (b"plain words", None),
    ],
)
def test_the_first_line_tells_it_where_the_name_is_silent(
    line: bytes, language: str | None
) -> None:
    assert language_of("bin/run", line) == language


def test_only_a_name_without_a_dot_needs_the_first_line() -> None:
    assert [may_need_first_line(name) for name in ("run", "run.md", "LICENSE")] == [
        True,
        False,
        False,
    ]


PARTS = [*extensions.NAMES, *sorted(extensions.EXTENSIONS)[:80], *EXTENSIONS, "", "x", "a b", "ß"]


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))
def test_a_name_has_the_language_that_it_has_when_looked_up_whole(parts: list[str]) -> None:
    name = ".".join(part.removeprefix(".") for part in parts)
    known = EXTENSIONS.get(splitext(name)[1].lower())
    tags = identify.tags_from_filename(name)
    names = {LANGUAGES[tag] for tag in tags if tag in LANGUAGES}
    assert (language_of(f"src/{name}") or "") in ({known} if known else names or {""})
