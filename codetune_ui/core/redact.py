"""Put a harmless value where a secret stood, so that the code around it still parses.

Quotes, brackets, blanks, line ends and escapes inside a secret stay: a key of thirty lines leaves
thirty lines. Python that parsed before is parsed again; where it no longer does, the secret's
letters are flattened one by one instead, which no tokenizer can tell apart.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from codetune_ui.core.document import Document, Dropped, DropReason
from codetune_ui.core.errors import MachineError
from codetune_ui.core.secrets import Span, find_secrets, findings

ROUNDS = 3  # what a scan of the redacted text still finds is redacted too
MARK = "REDACTED"
NOT_SEARCHED = "not searched for secrets"  # a note of every file where the scanner is missing
# what must stay for the code to parse, else a run that may go
PART = re.compile(
    r"""(?P<stays>\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|[0-7]{1,3}|.|\n)
    |[brfuBRFU]{0,2}["'`]+|[\s(){}\[\]<>;,$%\\]+|0[xXbBoO](?=[0-9a-fA-F]))
    |(?P<goes>[^\s"'`(){}\[\]<>;,$%\\]+?(?=[brfuBRFU]{0,2}["'`]|[\s(){}\[\]<>;,$%\\]|\Z))""",
    re.VERBOSE,
)
FLAT = re.compile(r"[a-z]|[A-Z]|[0-9]|[^\W\d_]")


def apply_policy(documents: Sequence[Document], policy: str) -> list[Document | Dropped]:
    """Look for secrets in some documents and redact, drop or keep; the order stays.

    Where they are kept, they are only counted: a scanner that does not start then stops nothing.
    """
    try:
        spans = find_secrets([document.text for document in documents])
    except MachineError:
        if policy != "keep":
            raise
        return [_not_searched(document) for document in documents]
    return [
        _decide(document, found, policy) if found else document
        for document, found in zip(documents, spans, strict=True)
    ]


def _not_searched(document: Document) -> Document:
    return replace(document, note=", ".join(filter(None, [document.note, NOT_SEARCHED])))


def _decide(document: Document, spans: Sequence[Span], policy: str) -> Document | Dropped:
    shown = findings(document.text, spans)
    if policy == "keep":
        return replace(document, findings=shown)
    text = redact(document.text, spans, document.language) if policy == "redact" else None
    if text is None:
        where = f"{_count(len(spans))}, the first in line {shown[0].line}: {shown[0].rule}"
        return Dropped(document.path, DropReason.SECRETS, document.language, where, shown)
    note = ", ".join(filter(None, [document.note, f"{_count(len(spans))} redacted"]))
    return replace(document, text=text, note=note, findings=shown)


def _count(number: int) -> str:
    return f"{number} secret{'' if number == 1 else 's'}"


def redact(text: str, spans: Sequence[Span], language: str = "") -> str | None:
    """Return the text without its secrets; None when no way was found that leaves it whole.

    >>> redact("key = 'hunter2'", [Span(7, 14, "password")])
    "key = 'REDACTED_PASSWORD'"
    """
    parses = language != "Python" or _parses(text)
    for way in (_named, _flat):
        clean = _until_clean(text, spans, way)
        if clean is not None and (language != "Python" or not parses or _parses(clean)):
            return clean
    return None


def _until_clean(text: str, spans: Sequence[Span], way: Callable[[str, str], str]) -> str | None:
    for _ in range(ROUNDS):
        text = _replaced(text, spans, way)
        spans = find_secrets([text])[0]
        if not spans:
            return text
    return None


def _replaced(text: str, spans: Sequence[Span], way: Callable[[str, str], str]) -> str:
    out, end = [], 0
    for span in spans:
        out += [text[end : span.start], way(text[span.start : span.end], span.rule)]
        end = span.end
    return "".join([*out, text[end:]])


def _named(secret: str, rule: str) -> str:
    """Put the rule's name where the letters were.

    >>> _named("MIIE+x=\\n  8aZ3", "private key")
    'REDACTED_PRIVATE_KEY\\n  REDACTED_PRIVATE_KEY'
    """
    name = f"{MARK}_{re.sub(r'[^A-Z0-9]+', '_', rule.upper())}"
    return PART.sub(lambda part: part["stays"] or _run(part["goes"], name), secret)


def _run(run: str, name: str) -> str:
    return name if re.search(r"\w", run) else run  # a "+" between two strings stays


def _flat(secret: str, rule: str) -> str:  # noqa: ARG001 - the other way's signature
    """Make all letters alike; a number stays a number, a name a name.

    >>> _flat("Zk9-x", "")
    'Aa0-a'
    """
    return PART.sub(
        lambda part: part["stays"] or FLAT.sub(lambda c: _alike(c[0]), part["goes"]), secret
    )


def _alike(letter: str) -> str:
    return "0" if letter.isdigit() else "A" if letter.isupper() else "a"


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes, which are the code's own
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
