from __future__ import annotations

import ast
import warnings
from concurrent.futures import Future

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codetune_ui.core.document import Document, Dropped, DropReason, Finding
from codetune_ui.core.errors import MachineError
from codetune_ui.core.redact import apply_policy, redact
from codetune_ui.core.secrets import Span, find_secrets
from tests.core.planted import planted

PLANTS = list(planted(3))
AROUND = st.sampled_from(["", " ", "id=", "\\n", "\\x41", "\\\\", "{name}", "%s ", "é", "Bearer "])
CODE = st.sampled_from(
    [
        "x = {}\n",
        "def f(a={}):\n    return a\n",
        "f(token={}, other=1)\n",
        "d = {{'api_key': {}, 'b': [1, 2]}}\n",
        "if x == {}:\n    pass\n",
        "x = (\n    {}\n    'more'\n)\n",
        "@decorate({})\nclass A:\n    key = 1\n",
    ]
)


def parses(code: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(code)
        except SyntaxError:
            return False
    return True


def document(text: str, language: str = "Python") -> Document:
    return Document(text, "a.py", language, "a.py", "line ends were CRLF")


@settings(deadline=None, max_examples=300)
@given(
    CODE,
    st.sampled_from(["", "b", "r", "f", "rb", "Rb", "u", "F"]),
    st.sampled_from(['"', "'", '"""', "'''"]),
    AROUND,
    st.sampled_from(PLANTS),
    AROUND,
)
def test_python_that_parsed_still_does_and_holds_no_secret(
    code: str, prefix: str, quote: str, before: str, plant: object, after: str
) -> None:
    secret = plant.secret  # type: ignore[attr-defined]
    text = code.format(f"{prefix}{quote}{before}{secret}{after}{quote}")
    assume(parses(text))
    (spans,) = find_secrets([text])
    clean = redact(text, spans, "Python")
    assert clean is not None
    assert parses(clean)
    assert clean.count("\n") == text.count("\n")
    assert find_secrets([clean]) == [[]]
    assert not spans or secret not in clean


def test_every_planted_file_is_redacted_and_then_clean() -> None:
    files = [document(plant.text, "other") for plant in PLANTS]
    found = apply_policy(files, "redact")
    texts = [item.text for item in found if isinstance(item, Document)]
    assert len(texts) == len(PLANTS)
    assert find_secrets(texts) == [[]] * len(PLANTS)


def test_a_number_becomes_another_number() -> None:
    clean = redact("key = 0x9f86d081884c7d65\n", [Span(8, 24, "key")], "Python")
    assert clean == "key = 0x0a00a000000a0a00\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'k9Zq2'", "'REDACTED_KEY'"),
        ("k9\\nZq", "REDACTED_KEY\\nREDACTED_KEY"),
        ("'k9'\n + 'Zq'", "'REDACTED_KEY'\n + 'REDACTED_KEY'"),
        ("{k9}", "{REDACTED_KEY}"),
    ],
)
def test_what_holds_the_code_together_stays(text: str, expected: str) -> None:
    assert redact(text, [Span(0, len(text), "key")]) == expected


SECRET = PLANTS[0].secret
TEXT = f"import os\nkey = '{SECRET}'\n"
FOUND = Finding(2, "aws key id", f"{SECRET[:2]}… (20)")


def test_the_policy_redacts() -> None:
    assert apply_policy([document(TEXT)], "redact") == [
        Document(
            "import os\nkey = 'REDACTED_AWS_KEY_ID'\n",
            "a.py",
            "Python",
            "a.py",
            "line ends were CRLF, 1 secret redacted",
            findings=(FOUND,),
        )
    ]


def test_the_policy_drops() -> None:
    where = "1 secret, the first in line 2: aws key id"
    assert apply_policy([document(TEXT)], "drop") == [
        Dropped("a.py", DropReason.SECRETS, "Python", where, (FOUND,))
    ]


def test_the_policy_keeps() -> None:
    (kept,) = apply_policy([document(TEXT)], "keep")
    assert isinstance(kept, Document)
    assert (kept.text, kept.findings) == (TEXT, (FOUND,))


@pytest.fixture
def no_scanner(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: Future[object] = Future()
    broken.set_exception(ImportError("no such wheel"))
    monkeypatch.setattr("codetune_ui.core.secrets._started", [broken])


@pytest.mark.usefixtures("no_scanner")
def test_what_is_kept_anyway_needs_no_scanner_and_says_that_nobody_looked() -> None:
    (kept,) = apply_policy([document(TEXT)], "keep")
    assert isinstance(kept, Document)
    assert (kept.text, kept.findings) == (TEXT, ())
    assert kept.note == "line ends were CRLF, not searched for secrets"


@pytest.mark.usefixtures("no_scanner")
@pytest.mark.parametrize("policy", ["redact", "drop"])
def test_nothing_is_redacted_or_dropped_without_the_scanner(policy: str) -> None:
    with pytest.raises(MachineError, match="scanner for secrets does not start"):
        apply_policy([document(TEXT)], policy)
