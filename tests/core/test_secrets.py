from __future__ import annotations

import itertools
import sysconfig
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.errors import MachineError
from codetune_ui.core.secret_rules import is_key, is_password, is_random
from codetune_ui.core.secrets import Span, find_secrets, findings, mask
from tests.core.planted import HEX, SECRETS, Lot, planted

CLEAN_FILES = 2000


def covered(text: str, secret: str, spans: list[Span]) -> bool:
    """Ask for most of its letters: a rule may leave a prefix that all keys of a kind share."""
    start = text.index(secret)
    end = start + len(secret)
    inside = sum(max(0, min(end, span.end) - max(start, span.start)) for span in spans)
    return inside >= 0.7 * len(secret)


def clean_files() -> Iterator[Path]:
    paths = sysconfig.get_paths()
    standard = (
        p for p in sorted(Path(paths["stdlib"]).rglob("*.py")) if "site-packages" not in p.parts
    )
    yield from itertools.islice(
        itertools.chain(standard, sorted(Path(paths["purelib"]).rglob("*.py"))), CLEAN_FILES
    )


def test_at_least_95_in_100_planted_secrets_of_30_kinds_are_found() -> None:
    plants = list(planted(4))
    found = find_secrets([plant.text for plant in plants])
    missed = [
        plant.kind
        for plant, spans in zip(plants, found, strict=True)
        if not covered(plant.text, plant.secret, spans)
    ]
    print(f"recall {1 - len(missed) / len(plants):.3f} of {len(plants)}; missed {missed}")  # noqa: T201 - shown by -rP
    assert len(SECRETS) >= 30
    assert len(missed) <= 0.05 * len(plants)


def test_nothing_but_the_secret_is_found_in_a_planted_file() -> None:
    plants = list(planted(2))
    for plant, spans in zip(plants, find_secrets([p.text for p in plants]), strict=True):
        start = plant.text.index(plant.secret)
        line = plant.text.count("\n", 0, start)
        assert {plant.text.count("\n", 0, span.start) for span in spans} == {line}


def test_two_thousand_clean_files_have_few_findings() -> None:
    texts = [path.read_text("utf-8", "replace") for path in clean_files()]
    hits = [
        (shown.rule, shown.line)
        for text, spans in zip(texts, find_secrets(texts), strict=True)
        for shown in findings(text, spans)
    ]
    print(f"{len(hits)} findings in {len(texts)} files: {hits}")  # noqa: T201 - shown by -rP
    # made-up passwords and tokens in tests and examples, all of them (tests/bench/LOG.md)
    assert len(hits) <= 5


@pytest.mark.parametrize(
    "line",
    [
        'password = "changeme"',
        'password = "${DB_PASSWORD}"',
        'password = os.environ["DB_PASSWORD"]',
        'password = "<your-password>"',
        'password = "password123"',
        "token = get_token(session, user_name)",
        'api_key = "xxxxxxxxxxxxxxxxxxxxxxxx"',
        'secret_key = "insert-your-secret-key-here"',
        'access_token_url = "https://provider.org/oauth2/access_token"',
        'token = "invalid_client_credentials"',
        'engine("postgresql://user:password@localhost/db")',
        'url = "https://{user}:{password}@host"',
        'checksum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"',
        'KEYWORD_TOKENS = ["identifier", "number"]',
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(line: str) -> None:
    assert find_secrets([line]) == [[]]


def test_offsets_count_characters_whatever_stands_before() -> None:
    secret = next(planted(1)).secret
    text = f"# näïve 漢字 😀\nkey = '{secret}'\n"
    assert [text[span.start : span.end] for span in find_secrets([text])[0]] == [secret]


def test_a_finding_says_where_and_shows_next_to_nothing() -> None:
    plants = list(planted(1))
    for plant, spans in zip(plants, find_secrets([p.text for p in plants]), strict=True):
        (shown,) = findings(plant.text, spans)
        assert shown.line == plant.text.count("\n", 0, plant.text.index(plant.secret)) + 1
        assert plant.secret not in repr(shown)
        assert len(shown.masked.split("…")[0]) <= 4


def test_a_mask_shows_the_kind_of_a_long_one_and_nothing_of_a_short_one() -> None:
    assert mask("a1b2c3d4" * 4) == "a1b2… (32)"
    assert mask("a1b2c3d4" * 3) == "a1… (24)"
    assert mask("a1b2c3d4") == "… (8)"
    assert mask("\na1b2" * 10) == "… (50)"


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(), max_size=5))
def test_any_text_is_searched_and_spans_are_apart_and_in_order(texts: list[str]) -> None:
    for text, spans in zip(texts, find_secrets(texts), strict=True):
        ends = [edge for span in spans for edge in (span.start, span.end)]
        assert ends == sorted(set(ends))
        assert all(0 <= edge <= len(text) for edge in ends)


@pytest.mark.parametrize(
    ("test", "yes", "no"),
    [
        (is_password, b"Tr0ub4dor&3x", b"correct-horse"),
        (is_key, b"k3J9x2Lq8ZpT5vWc", b"session_token_name_v2"),
        (is_random, b"8f14e45fceea167a", b"getUserProfileById2"),
    ],
)
def test_what_was_drawn_by_lot_is_told_from_words(test: object, yes: bytes, no: bytes) -> None:
    assert callable(test)
    assert test(yes)
    assert not test(no)


def test_without_the_scanner_nothing_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: Future[object] = Future()
    broken.set_exception(ImportError("no such wheel"))
    monkeypatch.setattr("codetune_ui.core.secrets._started", [broken])
    with pytest.raises(MachineError, match="Install the requirements again"):
        find_secrets(["a = b"])


WORD, KEY, HEX_KEY = Lot("word").password(11), Lot("key").draw(24), Lot("hex").draw(32, HEX)


@pytest.mark.parametrize(
    "line",
    [
        f"settings.DB_PASSWORD = '{WORD}'",
        f"'passwd' => '{WORD}',",
        f"<password>{KEY}</password>",
        f"  password: {KEY}",
        f"PGPASSWORD={KEY} psql -h db",
        f'props.setProperty("db.password", "{WORD}");',
        f'os.environ["API_TOKEN"] = "{KEY}"',
        f'let secret = String::from("{KEY}");',
        f'SECRET_KEY = b"{KEY}"',
        f'headers["X-Api-Key"] = "{HEX_KEY}"',
        f"ENV DB_PASSWORD {KEY}",
        f"Authorization: token {HEX_KEY}",
        f"jdbc:mysql://db/shop?user=shop&password={KEY}",
        f'encryption_key := []byte("{KEY}")',
        f"export DATABASE_URL=postgres://shop:{KEY}@db/shop",
        f"run --token {KEY}",
    ],
)
def test_people_write_them_in_many_ways(line: str) -> None:
    (spans,) = find_secrets([line])
    assert [covered(line, body, spans) for body in (WORD, KEY, HEX_KEY) if body in line] == [True]
