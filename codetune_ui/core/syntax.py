"""Middles that are whole pieces of a program: one node of its syntax tree, or some in a row.

The grammars lie inside the installed package `tree-sitter-language-pack`; nothing is downloaded.
A text is parsed as it is, a window of a file too: what the parser could not make sense of is left
alone, and where that is all, the caller cuts lines.
"""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tree_sitter import Language, Node
    from tree_sitter_language_pack import SupportedLanguage

MOST_CHARACTERS = 700  # longer middles are hardly ever asked for while typing
TRIES = 8

GRAMMARS = {  # our name of a language -> its grammar, where that is not the name in lower case
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


def syntax_span(text: str, grammar: str, rng: random.Random) -> tuple[int, int] | None:
    """Return start and end, in characters, of one node, or in half of the cases of some siblings.

    None when the language has no grammar or no whole piece of at most 700 characters was hit.
    The indentation before a piece belongs to it, trailing space does not.
    """
    language = _load(grammar) if grammar and text else None
    if language is None:
        return None
    from tree_sitter import Parser

    raw = text.encode("utf-8", "replace")  # a lone surrogate is no UTF-8
    root = Parser(language).parse(raw).root_node  # a parser of its own: they are not thread-safe
    for _ in range(TRIES):
        place = rng.randrange(len(raw))
        span = _around(root, place, rng)
        if span is not None:
            start, end = (_characters(raw, text, offset) for offset in span)
            start, end = _tidy(text, start, end)
            if start < end:
                return start, end
    return None


def _around(root: Node, place: int, rng: random.Random) -> tuple[int, int] | None:
    """Choose among the whole nodes around a byte, the innermost first; return a range of bytes."""
    node = root.named_descendant_for_byte_range(place, place + 1)
    whole: list[Node] = []
    while node is not None and _size(node) <= MOST_CHARACTERS:
        if not node.has_error and _size(node) > 0 and node.parent is not None:
            whole.append(node)
        node = node.parent
    if not whole:
        return None
    chosen = rng.choice(whole)
    last = _some_siblings(chosen, rng) if rng.random() < 0.5 else chosen
    return chosen.start_byte, last.end_byte


def _some_siblings(node: Node, rng: random.Random) -> Node:
    """Return the last of a random number of siblings that follow a node, whole and not too long."""
    found = [node]
    following = node.next_named_sibling
    while following is not None and not following.has_error:
        if following.end_byte - node.start_byte > MOST_CHARACTERS:
            break
        found.append(following)
        following = following.next_named_sibling
    return rng.choice(found)


def _size(node: Node) -> int:
    return node.end_byte - node.start_byte


def _characters(raw: bytes, text: str, offset: int) -> int:
    """Return the character at which a byte begins."""
    return offset if len(raw) == len(text) else len(raw[:offset].decode("utf-8", "ignore"))


def _tidy(text: str, start: int, end: int) -> tuple[int, int]:
    """Take in the indentation before a piece, leave out the space that ends it."""
    end = start + len(text[start:end].rstrip())
    line = text.rfind("\n", 0, start) + 1
    return (line if not text[line:start].strip() else start), end
