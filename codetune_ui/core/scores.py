"""How good an answer is beside what stood in the hole.

exact_match          the same text; only blank ends are left out of account
edit_similarity      1 - Levenshtein distance / length of the longer (rapidfuzz), 0 to 1
first_line           the same first line, its blank end left out of account
stop_accuracy        the model ended by itself, after as many lines as the truth has
parses               the completed file has no syntax error, where the original had none
identifiers          share of the truth's names, known from elsewhere in this code, that are used
middle_nll_per_char  mean negative log-likelihood of the true middle, nats per character

No answer is cut by looking at the truth. A score that says nothing about a hole is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from codetune_ui.core.holes import ONE_LINE, Hole, HoleKind
from codetune_ui.core.syntax import grammar_of, parses

METRICS = (
    *("exact_match", "edit_similarity", "first_line", "stop_accuracy"),
    *("parses", "identifiers", "middle_nll_per_char"),
)
MAIN = "exact_match"
LOWER_IS_BETTER = frozenset({"middle_nll_per_char"})

Scores = dict[str, float | None]

NAME = re.compile(r"[^\W\d]\w+")
# Words of many languages that are no names: whoever writes them knows nothing of this code.
COMMON_WORDS = """
abstract and as assert async await bool boolean break byte case catch char class const continue
def default del delete do double elif else end enum except export extends extern false finally
float fn for foreach from func function global goto if implements import in include inline
instanceof int interface is lambda let long match module mut namespace new nil none nonlocal not
null object of operator or override package pass print private protected public raise ref
require return self short signed sizeof static std str string struct super switch template then
this throw throws trait true try type typedef typeof undefined union unless unsigned until use
using val var virtual void volatile when where while with yield
"""
COMMON = frozenset(COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote; `ended` says that it wrote its end-of-middle token itself."""

    text: str
    ended: bool
    tokens: int = 0


def one_line(text: str, kind: HoleKind) -> str:
    r"""Return an answer as it counts: of a hole in a line the first line, as an editor asks.

    >>> one_line("a)\nb = 2", "rest"), one_line("a)\nb = 2", "block")
    ('a)', 'a)\nb = 2')
    """
    return text.partition("\n")[0] if kind in ONE_LINE else text


def score(
    hole: Hole, answer: Answer, known: frozenset[str], nll_per_char: float | None = None
) -> Scores:
    """Score an answer; `known` are names that stand elsewhere in the code base."""
    truth, text = hole.middle.rstrip(), answer.text.rstrip()
    lines = truth.count("\n") == text.count("\n")
    return {
        "exact_match": float(text == truth),
        "edit_similarity": Levenshtein.normalized_similarity(text, truth),
        "first_line": float(_first_line(text) == _first_line(truth)),
        "stop_accuracy": float(answer.ended and lines),
        "parses": _parses(hole, answer.text),
        "identifiers": _recall(truth, text, known),
        "middle_nll_per_char": nll_per_char,
    }


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip()


def _parses(hole: Hole, text: str) -> float | None:
    grammar = grammar_of(hole.language, hole.path)
    if not parses(hole.text, grammar):
        return None
    return float(bool(parses(hole.prefix + text + hole.suffix, grammar)))


def _recall(truth: str, text: str, known: frozenset[str]) -> float | None:
    wanted = names(truth) & known
    return len(wanted & names(text)) / len(wanted) if wanted else None


def names(text: str) -> frozenset[str]:
    """Return the names in a piece of code that are not words of a language.

    >>> sorted(names("return self.total_of(items, 3)"))
    ['items', 'total_of']
    """
    return frozenset(word for word in NAME.findall(text) if word.lower() not in COMMON)


class Names:
    """Which names of held-out files stand elsewhere: in training code, or in another such file."""

    def __init__(self, held_out: Iterable[str]) -> None:
        seen: set[str] = set()
        self._known: set[str] = set()
        for text in held_out:
            found = names(text)
            self._known |= seen & found
            seen |= found
        self._waiting = seen - self._known

    def note(self, text: str) -> None:
        """Take in a piece of training code."""
        found = self._waiting & names(text)
        self._known |= found
        self._waiting -= found

    def known(self) -> frozenset[str]:
        """Return the names that were found elsewhere."""
        return frozenset(self._known)
