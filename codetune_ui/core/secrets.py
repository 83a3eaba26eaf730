"""Secrets in code: a maintained scanner, in this process and offline, plus own rules.

The scanner (kingfisher, Apache-2.0) never asks a provider whether a key is live: its validating
and revoking parts are not imported. It starts in 0.6 s with compiled rules, which
`runs/compiled.py` lays out where it keeps them; where there are none it compiles them in about
7 s, once on a machine. `warm` does so in a thread. A secret itself is in no report, message or
repr: only `mask` of it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from codetune_ui.core.document import Finding
from codetune_ui.core.errors import MachineError
from codetune_ui.core.secret_rules import find_own, is_placeholder, is_url_password

THREADS = 2  # the scanner lets go of the interpreter's lock
KEY_BODY = re.compile(rb"-----BEGIN [^-\n]{0,60}-----\s*([\s\S]*?)\s*(?:-----END|\Z)")
URL_PASSWORD = re.compile(rb"://[^\s:/@]*:([^\s@]+)@")
LONGEST_USER = 100
USER = re.compile(rb"://[^\s:/@]*:\Z")
PREFIXED = re.compile(r"[A-Za-z0-9_.-]+")
_starting = threading.Lock()


@dataclass(frozen=True, slots=True)
class Span:
    """Where a secret stands in a text, in characters, and the rule that found it."""

    start: int
    end: int
    rule: str


def find_secrets(texts: Sequence[str]) -> list[list[Span]]:
    """Return the secrets of each text: sorted, none touching another.

    Raises `MachineError` where the scanner cannot be loaded: to go on without it would let keys
    through unseen.

    >>> find_secrets(["print('hello')"])
    [[]]
    """
    try:
        scanner = _scanner().result()
    except Exception as error:
        raise MachineError(
            f"The scanner for secrets does not start ({type(error).__name__}).",
            "Install the requirements again: python -m pip install -r requirements.txt.",
        ) from error
    if len(texts) == 1:
        return [_find(texts[0], scanner)]
    return list(_pool().map(lambda text: _find(text, scanner), texts))


def warm() -> None:
    """Start the scanner in a thread, so that it is ready when the first files are read."""
    _scanner()


def findings(text: str, spans: Sequence[Span]) -> tuple[Finding, ...]:
    """Return what may be shown of the secrets in a text."""
    shown, line, end = [], 1, 0
    for span in spans:
        line += text.count("\n", end, span.start)
        end = span.start
        shown.append(Finding(line, span.rule, mask(text[span.start : span.end])))
    return tuple(shown)


def mask(secret: str) -> str:
    """Return the few first characters of a long secret and its length, of a short one the length.

    >>> mask("ghp_" + "x" * 36), mask("hunter2")
    ('ghp_… (40)', '… (7)')
    """
    shown = 4 if len(secret) >= 32 else 2 if len(secret) >= 20 else 0
    first = secret[:shown] if PREFIXED.fullmatch(secret[:shown] or " ") else ""
    return f"{first}… ({len(secret)})"


def _find(text: str, scanner: Any) -> list[Span]:
    data = text.encode("utf-8", "surrogatepass")
    found = [*find_own(data), *_scanned(data, scanner)]
    real = [hit for hit in found if not is_placeholder(data[hit[0] : hit[1]])]
    return _in_characters(_merged(real), data, text)


def _scanned(data: bytes, scanner: Any) -> list[tuple[int, int, str]]:
    hits = []
    for finding in scanner.scan(data):
        if finding.visible:
            place = finding.location
            span = _narrow(data, place["start_offset"], place["end_offset"])
            hits += [(*span, _name(finding.rule_id))] if span else []
    return hits


def _narrow(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Take a key without its BEGIN and END lines, and of a URL the password, if it is one."""
    if USER.search(data, max(0, start - LONGEST_USER), start) and data[end : end + 1] == b"@":
        return (start, end) if is_url_password(data[start:end]) else None
    url = URL_PASSWORD.search(data, start, end)
    if url and not is_url_password(url[1]):
        return None
    hit = url or KEY_BODY.search(data, start, end)
    return hit.span(1) if hit else (start, end)


def _name(rule_id: str) -> str:
    """Return a rule's name for people.

    >>> _name("betterleaks.github-pat"), _name("betterleaks.figma-token.1")
    ('github pat', 'figma token')
    """
    name = re.sub(r"^(betterleaks\.|veles\.secrets/)", "", rule_id)
    return re.sub(r"\.\d+$", "", name).replace("-", " ")


def _merged(hits: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Join what overlaps or touches; the longest one gives the name."""
    out: list[tuple[int, int, str]] = []
    for start, end, rule in sorted(hits, key=lambda hit: (hit[0], -hit[1], hit[2])):
        if out and start <= out[-1][1]:
            first = out[-1]
            out[-1] = (first[0], max(first[1], end), first[2])
        else:
            out.append((start, end, rule))
    return out


def _in_characters(hits: Sequence[tuple[int, int, str]], data: bytes, text: str) -> list[Span]:
    if len(data) == len(text):
        return [Span(*hit) for hit in hits]
    return [Span(_characters(data[:a]), _characters(data[:b]), rule) for a, b, rule in hits]


def _characters(data: bytes) -> int:
    """Count characters without decoding: the bytes that do not go on with one."""
    return len(data) - sum(data.count(byte) for byte in CONTINUING)


CONTINUING = [bytes([number]) for number in range(0x80, 0xC0)]


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="secrets")


_started: list[Future[Any]] = []


def _scanner() -> Future[Any]:
    """Return the one scanner of this process, perhaps still on its way."""
    with _starting:
        if not _started:
            future: Future[Any] = Future()
            threading.Thread(target=_start, args=(future,), daemon=True).start()
            _started.append(future)
        return _started[0]


def _start(future: Future[Any]) -> None:
    try:
        from kingfisher_sdk import Scanner  # takes 0.1 s, and only a scan needs it

        future.set_result(Scanner())
    except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
        future.set_exception(error)
