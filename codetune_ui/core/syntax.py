"""Middles that are whole pieces of a program: one node of its syntax tree, or some in a row.

The grammars lie inside the installed package `tree-sitter-language-pack`; nothing is downloaded.
Whole files are parsed, never windows: a window that begins inside a string would turn code and
text around. What a parser makes no sense of is left alone, and where that is all, lines are cut.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Tree
    from tree_sitter_language_pack import SupportedLanguage

MOST_CHARACTERS = 700  # longer middles are hardly ever asked for while typing
TRIES = 8

GRAMMARS = {  # our name of a language -> its grammar, where that is not the name in lower case
    "Assembly": "asm",
    "C#": "csharp",
    "C++": "cpp",
    "Common Lisp": "commonlisp",
    "Emacs Lisp": "elisp",
    "ERB": "embeddedtemplate",
    "F#": "fsharp",
    "Makefile": "make",
    "Metal": "cpp",
    "Objective-C": "objc",
    "Objective-C++": "objc",
    "OpenCL": "c",
    "Protocol Buffers": "proto",
    "Shell": "bash",
    "Vim script": "vim",
}
BY_SUFFIX = {".tsx": "tsx", ".scss": "scss"}  # one name of ours, two grammars


def grammar_of(language: str, path: str = "") -> str:
    """Return the name of the grammar for a language, by its name in `core.languages`.

    >>> grammar_of("C++"), grammar_of("Python"), grammar_of("TypeScript", "app.tsx")
    ('cpp', 'python', 'tsx')
    """
    special = BY_SUFFIX.get(PurePosixPath(path).suffix.lower())
    return special or GRAMMARS.get(language, language.lower())


@lru_cache(maxsize=64)
def _load(grammar: str) -> Language | None:
    from tree_sitter_language_pack import get_language

    try:
        return get_language(cast("SupportedLanguage", grammar))
    except LookupError:
        return None


def has_grammar(grammar: str) -> bool:
    """Say whether there is a grammar of that name."""
    return bool(grammar) and _load(grammar) is not None


@dataclass(frozen=True)
class Place:
    """Where a window lies: the text of its file, the character it begins at, the file's grammar."""

    text: str
    start: int
    grammar: str


def syntax_span(place: Place, length: int, rng: random.Random) -> tuple[int, int] | None:
    """Return start and end, in characters of a window, of one node or of some siblings in a row.

    None when the language has no grammar or no whole piece of at most 700 characters was hit in
    the window of `length` characters. The indentation before a piece belongs to it, trailing
    space does not.
    """
    tree = _parse(place.text, place.grammar) if place.grammar and length else None
    if tree is None:
        return None
    offsets = _Offsets(place.text)
    begin = place.start
    low, high = offsets.byte(begin), offsets.byte(begin + length)
    for _ in range(TRIES):
        bytes_found = _around(tree.root_node, rng.randrange(low, high), (low, high), rng)
        if bytes_found is not None:
            start, end = (offsets.character(offset) for offset in bytes_found)
            start, end = _tidy(place.text, begin, start, end)
            if any(char.isalnum() for char in place.text[start:end]):  # else a quote or a bracket
                return start - begin, end - begin
    return None


def parses(text: str, grammar: str) -> bool | None:
    """Say whether a whole file is without a syntax error; None without a grammar."""
    tree = _parse(text, grammar) if grammar else None
    return None if tree is None else not tree.root_node.has_error


def node_trace(text: str, grammar: str) -> list[str] | None:
    """Return the kinds of a file's nodes as a walk enters and leaves them; None with an error.

    A lone ";" that the parser marks as an error is none.

    >>> node_trace("x", "python")
    ['+module', '+identifier', '-identifier', '-module']
    """
    tree = _parse(text, grammar) if grammar else None
    if tree is None:
        return None
    found: list[str] = []
    cursor = tree.walk()
    leaving = False
    while True:
        node = cursor.node
        assert node is not None
        if node.type == "ERROR" and node.text != b";":
            return None
        found.append(f"{'-' if leaving else '+'}{node.type}")
        if not leaving and cursor.goto_first_child():
            continue
        if not leaving:
            leaving = True
        elif cursor.goto_next_sibling():
            leaving = False
        elif not cursor.goto_parent():
            return found


@lru_cache(maxsize=4)  # the windows of a file come one after another
def _parse(text: str, grammar: str) -> Tree | None:
    language = _load(grammar)
    if language is None:
        return None
    from tree_sitter import Parser

    # a parser of its own for each file: parsers are not thread-safe
    return Parser(language).parse(_utf8(text))


def _around(
    root: Node, place: int, window: tuple[int, int], rng: random.Random
) -> tuple[int, int] | None:
    """Choose among the whole nodes around a byte, the innermost first; return a range of bytes."""
    node = root.named_descendant_for_byte_range(place, place + 1)
    whole: list[Node] = []
    while node is not None and _size(node) <= MOST_CHARACTERS:
        if window[0] <= node.start_byte < node.end_byte <= window[1] and not node.has_error:
            whole.append(node)
        node = node.parent
    if not whole:
        return None
    chosen = rng.choice(whole)
    last = _some_siblings(chosen, window[1], rng) if rng.random() < 0.5 else chosen
    return chosen.start_byte, last.end_byte


def _some_siblings(node: Node, end: int, rng: random.Random) -> Node:
    """Return the last of a random number of siblings that follow a node, whole and not too long."""
    found = [node]
    following = node.next_named_sibling
    most = min(end, node.start_byte + MOST_CHARACTERS)
    while following is not None and following.end_byte <= most and not following.has_error:
        found.append(following)
        following = following.next_named_sibling
    return rng.choice(found)


def _size(node: Node) -> int:
    return node.end_byte - node.start_byte


def _tidy(text: str, begin: int, start: int, end: int) -> tuple[int, int]:
    """Take in the indentation before a piece, leave out the space that ends it."""
    end = start + len(text[start:end].rstrip())
    line = max(text.rfind("\n", 0, start) + 1, begin)
    return (line if not text[line:start].strip() else start), end


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a lone surrogate is no UTF-8


class _Offsets:
    """Characters of a text to bytes of its UTF-8, and back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._raw = b"" if text.isascii() else _utf8(text)

    def byte(self, character: int) -> int:
        return len(_utf8(self._text[:character])) if self._raw else character

    def character(self, byte: int) -> int:
        return len(self._raw[:byte].decode("utf-8", "ignore")) if self._raw else byte
