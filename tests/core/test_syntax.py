from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core import syntax
from codetune_ui.core.languages import LANGUAGES
from codetune_ui.core.syntax import Place, grammar_of, has_grammar, syntax_span

CODE = '''import os


class Pond:
    """Water."""

    def depth(self, at: int) -> int:
        if at < 0:
            return 0
        return self.floor - at

    def name(self) -> str:
        return "é🦀 pond"
'''


def spans(text: str, grammar: str, count: int = 200) -> set[str]:
    place = Place(text, 0, grammar)
    found = (syntax_span(place, len(text), random.Random(seed)) for seed in range(count))
    return {text[span[0] : span[1]] for span in found if span is not None}


def test_single_nodes_and_siblings_in_a_row_are_cut() -> None:
    found = spans(CODE, "python", 600)
    assert "            return 0" in found  # a statement with its indentation
    assert "at: int" in found
    assert "at < 0" in found
    assert "        if at < 0:\n            return 0\n        return self.floor - at" in found
    assert "import os" in found


def test_a_piece_of_python_is_whole() -> None:
    code = Path(__file__).read_text("utf-8")
    pieces = [piece for piece in spans(code, "python", 400) if "\n" in piece]
    assert len(pieces) > 50
    assert not any(piece[-1].isspace() for piece in pieces)
    statements = [piece for piece in pieces if piece.startswith("def ")]
    assert statements
    for piece in statements:
        ast.parse(piece)


def test_every_piece_is_a_node_or_a_row_of_siblings() -> None:
    edges = {"start": set(), "end": set()}  # type: dict[str, set[int]]
    tree = syntax._parse(CODE, "python")
    assert tree is not None
    raw, nodes = CODE.encode(), [tree.root_node]
    while nodes:
        node = nodes.pop()
        edges["start"].add(len(raw[: node.start_byte].decode()))
        edges["end"].add(len(raw[: node.end_byte].decode().rstrip()))
        nodes += node.children
    for seed in range(300):
        span = syntax_span(Place(CODE, 0, "python"), len(CODE), random.Random(seed))
        assert span is not None
        body = span[0] + len(CODE[span[0] :]) - len(CODE[span[0] :].lstrip())
        assert body in edges["start"]
        assert span[1] in edges["end"]


def test_characters_are_counted_and_not_bytes() -> None:
    text = "éé = '🦀🦀'\nab = f(x)\n"
    assert "ab = f(x)" in spans(text, "python")
    assert spans(text, "python") <= {
        "éé = '🦀🦀'",
        "éé",
        "'🦀🦀'",
        "🦀🦀",
        "🦀🦀'",  # the rest of a string, as one would be asked for it
        "'🦀🦀",
        "ab = f(x)",
        "ab",
        "f(x)",
        "f",
        "(x)",
        "x",
        "éé = '🦀🦀'\nab = f(x)",
    }


def test_indentation_is_a_part_of_the_middle() -> None:
    for piece in spans(CODE, "python"):
        for line in ("return 0", "return self.floor - at"):
            if piece.lstrip().startswith(line):
                assert piece.startswith("    ")


def test_pieces_are_at_most_700_characters() -> None:
    text = "".join(f"value_{number} = {number} + {number}\n" for number in range(200))
    assert max(len(piece) for piece in spans(text, "python")) <= 700


def test_broken_code_is_left_alone() -> None:
    text = "def f(:\n  ((((\n"
    place = Place(text, 0, "python")
    for seed in range(50):
        span = syntax_span(place, len(text), random.Random(seed))
        assert span is None or "((((" not in text[span[0] : span[1]]


def test_a_window_is_parsed_as_a_part_of_its_file() -> None:
    text = 'x = """\nnot = code\n"""\nyes = code\n'
    start = text.index("not")
    for seed in range(100):
        span = syntax_span(Place(text, start, "python"), len(text) - start, random.Random(seed))
        if span is not None:
            piece = text[start + span[0] : start + span[1]]
            assert piece in {'not = code\n"""', "not = code", "yes = code", "yes", "code"}


def test_a_piece_never_leaves_its_window() -> None:
    start = CODE.index("        if at")
    end = CODE.index("    def name")
    for seed in range(200):
        span = syntax_span(Place(CODE, start, "python"), end - start, random.Random(seed))
        assert span is None or 0 <= span[0] < span[1] <= end - start


@given(
    text=st.text(st.sampled_from("ab =()\n\t{}'\"é🦀\ud800#:"), max_size=60),
    seed=st.integers(),
    bounds=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    grammar=st.sampled_from(["python", "javascript", "c"]),
)
@settings(max_examples=200)
def test_any_text_gives_a_span_inside_its_window_or_none(
    text: str, seed: int, bounds: tuple[int, int], grammar: str
) -> None:
    start, end = sorted(min(place, len(text)) for place in bounds)
    span = syntax_span(Place(text, start, grammar), end - start, random.Random(seed))
    assert span is None or 0 <= span[0] < span[1] <= end - start


def test_the_same_luck_gives_the_same_piece() -> None:
    place = Place(CODE, 0, "python")
    first = [syntax_span(place, len(CODE), random.Random(seed)) for seed in range(30)]
    syntax._parse.cache_clear()
    assert first == [syntax_span(place, len(CODE), random.Random(seed)) for seed in range(30)]
    assert len(set(first)) > 10


@pytest.mark.parametrize(
    ("language", "path", "grammar"),
    [
        ("Python", "a.py", "python"),
        ("C++", "a.h", "cpp"),
        ("C#", "a.cs", "csharp"),
        ("TypeScript", "a.ts", "typescript"),
        ("TypeScript", "a.TSX", "tsx"),
        ("CSS", "a.scss", "scss"),
        ("Shell", "run", "bash"),
        ("", "", ""),
    ],
)
def test_a_language_has_its_grammar(language: str, path: str, grammar: str) -> None:
    assert grammar_of(language, path) == grammar


def test_nearly_every_language_we_know_can_be_parsed() -> None:
    names = sorted(set(LANGUAGES.values()))
    missing = [name for name in names if not has_grammar(grammar_of(name))]
    assert missing == [
        "Batch",
        "CoffeeScript",
        "Crystal",
        "Cython",
        "Handlebars",
        "Idris",
        "Lean",
        "Robot Framework",
        "Vala",
        "Visual Basic",
    ]


@pytest.mark.parametrize(
    ("grammar", "text", "piece"),
    [
        ("javascript", "function f(a) {\n  return a + 1;\n}\n", "  return a + 1;"),
        ("typescript", "const a: number = 1;\nlet b = 2;\n", "let b = 2;"),
        ("tsx", "const a = <div>{b}</div>;\n", "<div>{b}</div>"),
        ("go", "package a\n\nfunc f() int {\n\treturn 1\n}\n", "\treturn 1"),
        ("rust", "fn f() -> i32 {\n    g(1)\n}\n", "    g(1)"),
        ("java", "class A {\n  int f() {\n    return 1;\n  }\n}\n", "    return 1;"),
        ("c", "int f(void) {\n  return 1;\n}\n", "  return 1;"),
        ("cpp", "int f() {\n  return 1;\n}\n", "  return 1;"),
        ("csharp", "class A {\n  int F() {\n    return 1;\n  }\n}\n", "    return 1;"),
        ("bash", "f() {\n  echo hi\n}\n", "  echo hi"),
        ("ruby", "def f\n  g(1)\nend\n", "  g(1)"),
        ("php", "<?php\nfunction f() {\n  return 1;\n}\n", "  return 1;"),
    ],
)
def test_main_languages_are_cut_along_their_syntax(grammar: str, text: str, piece: str) -> None:
    assert piece in spans(text, grammar, 400)
