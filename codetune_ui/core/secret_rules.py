"""Own patterns for secrets that the scanner misses, and what is no secret although it looks so.

Every rule hangs on a literal that is searched for first, which costs a thousandth of a regular
expression; the expression then looks at the few characters around it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Test = Callable[[bytes], bool]

PLACEHOLDER = re.compile(rb"REDACTED(_[A-Z0-9_]+)?")
FEWEST_LETTERS = 5  # different ones; "xxxx-0000" is no key
LEAST_BITS = 3.0  # of entropy a character; hexadecimal has at most 4, words about 2.5 to 3.5
NO_SECRET = re.compile(
    rb"changeme|change_me|example|sample|dummy|fake|placeholder|redacted|your|insert|replace|todo"
    rb"|passw|passphrase|secret|token|api_?key|default|invalid|test|xxxx|1234|abcd|\b(foo|bar|xxx)"
    rb"|none|null|true|false|undefined|prompt|lorem|deadbeef|hello|admin|user",
    re.IGNORECASE,
)
TEMPLATE = re.compile(
    rb"\$[{(]|^\$\w|\{\{|\{\w*\}|<[\w -]+>|%\(\w|%[sd]|\.\.\.|://|^[/~]|^\.|\w\(\w*\)"
)
SHORT_PASSWORD = 8
REACH = 400


def entropy(value: bytes) -> float:
    """Return Shannon's entropy, in bits a character.

    >>> entropy(b"aabb")
    1.0
    """
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)


def is_placeholder(value: bytes) -> bool:
    """Return whether a value stands for a secret but is none: ours, or all the same letters.

    >>> [is_placeholder(value) for value in (b"REDACTED_JWT", b"xxxx-xxxx", b"k9Zq2")]
    [True, True, False]
    """
    rest = re.sub(rb"[^A-Za-z0-9]", b"", PLACEHOLDER.sub(b"", value))
    return len(set(rest)) < FEWEST_LETTERS


def is_random(value: bytes) -> bool:
    """Return whether a value looks drawn by lot: letters and digits mixed, not words.

    >>> is_random(b"9f86d081884c7d65"), is_random(b"session_token_v2"), is_random(b"UserProfile2")
    (True, False, False)
    """
    if TEMPLATE.search(value) or is_placeholder(value) or entropy(value) < LEAST_BITS:
        return False
    pieces = re.split(rb"[^A-Za-z0-9]", value)
    return any(len(piece) >= 8 and _mixed(piece) for piece in pieces)


def _mixed(piece: bytes) -> bool:
    """Ask how often letters and digits (and cases, beyond CamelCase) take turns."""
    kinds = re.findall(rb"\d+|[A-Z]+|[a-z]+", piece)
    digits = sum(kind.isdigit() for kind in kinds)
    many = digits >= 1 and len(piece) >= 20 and len(kinds) * 2 >= len(piece)
    return many or (digits >= 2 and len(kinds) >= 4)


def is_password(value: bytes) -> bool:
    """Return whether a value beside the word "password" is one, and not a word or a stand-in.

    >>> [is_password(word) for word in (b"hunter2Zk", b"password1", b"username", b"${DB_PASS}")]
    [True, False, False, False]
    """
    if len(value) < SHORT_PASSWORD or TEMPLATE.search(value) or NO_SECRET.search(value):
        return False
    letters, digits = re.search(rb"[A-Za-z]", value), re.search(rb"\d", value)
    if not (letters and digits) or is_placeholder(value):
        return False
    return is_random(value) or not re.fullmatch(rb"[A-Za-z]+([._/-][A-Za-z0-9]+)+", value)


def is_key(value: bytes) -> bool:
    """Return whether a value beside "key", "token" or "secret" is one."""
    return is_random(value) and not NO_SECRET.search(value)


def is_url_password(value: bytes) -> bool:
    """Return whether what stands between "user:" and "@host" is a password of somebody's."""
    if TEMPLATE.search(value) or NO_SECRET.search(value) or is_placeholder(value):
        return False
    return bool(re.search(rb"\d", value))


@dataclass(frozen=True)
class Rule:
    """Where to look (`anchors`, in small letters), what to take (group 1), and a last test."""

    name: str
    anchors: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    test: Test
    before: int  # most characters that the match may begin ahead of the anchor

    def find(self, data: bytes, lower: bytes) -> Iterator[tuple[int, int]]:
        """Yield (start, end) in bytes; `lower` is `data` in small letters."""
        for anchor in self.anchors:
            place = lower.find(anchor)
            while place >= 0:
                hit = self._hit(data, place)
                if hit and hit.lastindex:
                    # the second way to write a value is without quotes
                    test = self.test if hit.lastindex == 1 else is_key
                    if test(hit[hit.lastindex]):
                        yield hit.span(hit.lastindex)
                place = lower.find(anchor, place + 1)

    def _hit(self, data: bytes, place: int) -> re.Match[bytes] | None:
        if not self.before:
            return self.pattern.match(data, place)
        first = self.pattern.search(data, max(0, place - self.before), place + REACH)
        return first if first and first.start() <= place else None


def is_no_placeholder(value: bytes) -> bool:
    """Return whether a value in the exact form of some key is more than a stand-in for one."""
    return not is_placeholder(value)


def _rule(
    name: str, anchors: str, pattern: bytes, test: Test = is_no_placeholder, before: int = 0
) -> Rule:
    return Rule(name, tuple(anchors.encode().split()), re.compile(pattern), test, before)


# From the keyword to the value: rest of the name, closing quote or bracket, type, sign.
TO_VALUE = (
    rb"\w{1,16}[\w.-]{0,24}[\"'`]?\]?\s{0,8}"
    rb"(?::\s?[\w<>\[\]| ]{1,30}\s?=|:=|=>|==|=|:|,)\s{0,8}"
)
PASSWORDS = "passw pwd passphrase"
KEYS = "secret token _key apikey api-key accesskey credential webhook"
# without quotes, in shells, Dockerfiles, YAML, XML and URLs: only what is surely drawn by lot
UNQUOTED = rb"\w{1,40}[\"']?(?:=|: ?| |>)([A-Za-z0-9+/_.~!@#%^*-]{8,200}={0,2})(?=[\s\"'`;&,<]|$)"


def _quoted(least: int) -> bytes:
    ways = (rb"(?<=%s)[^\s\\%s]{%d,200}(?=%s)" % (q, q, least, q) for q in (b'"', b"'", b"`"))
    return TO_VALUE + rb"(?:[\w:.\[\]]{1,20}\()?[brfuBRFU@$]{0,2}[\"'`](" + b"|".join(ways) + rb")"


RULES = (
    _rule("password", PASSWORDS, _quoted(SHORT_PASSWORD) + b"|" + UNQUOTED, is_password),
    _rule("key", KEYS, _quoted(16) + b"|" + UNQUOTED, is_key),
    _rule(
        "option", "--pass --tok --secret --api", rb"--[\w-]+[= ]([^\s\"'`$\\]{8,100})", is_password
    ),
    _rule("sql password", "identified", rb"(?i:identified by)\s+'([^'\s\\]{8,100})'", is_password),
    _rule("aws key id", "akia asia", rb"(?<![A-Za-z0-9])(A[KS]IA[A-Z2-7]{16})(?![A-Za-z0-9])"),
    _rule(
        "aws secret",
        "aws secret_access",
        rb"[^\n]{3,60}?(?<![A-Za-z0-9/+=])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        is_random,
    ),
    _rule("azure key", "accountkey= accesskey=", rb"\w+=([A-Za-z0-9+/]{40,88}={0,2})"),
    _rule("azure signature", "&sig= ?sig=", rb"[?&]\w+=([A-Za-z0-9%+/]{40,100}=?)", is_random),
    _rule(
        "connection string", "pwd= password=", rb"\w+=([^;\s\"'`$\\]{8,100})[;\"'`]", is_password
    ),
    _rule(
        "url password",
        "://",
        rb"://[^\s:/@\"'`<>{}$]{0,60}:([^\s:/@\"'`<>\\]{6,100})@[\w.-]",
        is_url_password,
    ),
    _rule("telegram", ":aa", rb"(?<!\d)(\d{8,10}:AA[A-Za-z0-9_-]{33})(?![A-Za-z0-9_-])", before=10),
    _rule("google client secret", "gocspx-", rb"\w+-([\w-]{24,30})(?![\w-])"),
    _rule(
        "discord",
        "discord",
        rb"[^\n]{6,80}?(?<![\w-])([MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40})(?![\w-])",
    ),
    _rule("discord webhook", "/api/webhooks/", rb"/api/webhooks/\d{16,20}/([\w-]{60,80})"),
    _rule(
        "slack webhook",
        "hooks.slack.com",
        rb"[\w.]+/(?:services|workflows)/(T\w{6,12}/\w{8,14}/\w{20,26})",
    ),
    _rule("bearer", "bearer basic", rb"[Bb]\w{4,5} ([A-Za-z0-9+/_.~-]{20,400}={0,2})", is_random),
    _rule(
        "private key",
        "-----begin",
        rb"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----\s*"
        rb"((?:(?!-----)[\s\S]){40,10000})",
    ),
)


def find_own(data: bytes) -> list[tuple[int, int, str]]:
    """Return (start, end, rule) of what the rules above find, in bytes, unsorted."""
    lower = data.lower()
    return [(*place, rule.name) for rule in RULES for place in rule.find(data, lower)]
