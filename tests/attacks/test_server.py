"""The attack list against the completion server, with and without its token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings

from codetune_ui.core.config import Config
from codetune_ui.engine.desk import Desk
from codetune_ui.engine.routes import build_app
from codetune_ui.runs.store import Home
from tests.attacks.attacks import (
    BODIES,
    HOSTS,
    METHODS,
    ORIGINS,
    SECRET,
    SERVER_PATHS,
    Attack,
    InvalidURL,
    reads,
    requests,
)

PORT, TOKEN = 8012, "right-token"
PATHS = (*SERVER_PATHS, "/v1/completions", "/v1/models", "/health")
BUSY = 503  # without a model: the right answer to what is a right request


class Served:
    """A server whose model is not loaded, in a process that raises what it does not handle."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside"
        self.outside.write_text(SECRET)
        self.desk = Desk(Home(folder / "home"), Config())
        app = build_app(self.desk, TOKEN, PORT)
        self.client = TestClient(app, base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False)

    def send(self, attack: Attack, token: str = TOKEN) -> Any:
        heads = {"authorization": f"Bearer {token}"} if token else {}
        try:
            request = self.client.build_request(
                attack.method,
                f"http://127.0.0.1:{PORT}{attack.path}",
                headers=heads | attack.headers,
                content=attack.body,
            )
        except (ValueError, UnicodeError, InvalidURL):
            return None
        return self.client.send(request)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("served"))
    with found.client:
        yield found
    found.desk.close()


def harmless(answer: Any) -> bool:
    if answer is None:
        return True
    assert SECRET not in answer.text
    assert answer.status_code < 500 or answer.status_code == BUSY, answer.text
    return True


def test_no_route_reads_a_file(served: Served) -> None:
    assert all(harmless(served.send(one)) for one in reads(SERVER_PATHS, str(served.outside)))


def test_a_name_of_a_model_is_never_a_path(served: Served) -> None:
    for name in ("../../etc", "/etc/passwd", "a/b", "..", "run:../x", "\x00", "a" * 5000):
        body = {"model": name, "prompt": "a"}
        answer = served.client.post(
            "/v1/completions", json=body, headers={"authorization": f"Bearer {TOKEN}"}
        )
        assert answer.status_code in (400, 404), name


def test_without_the_token_nothing_is_answered(served: Served) -> None:
    for token in ("", "wrong", "right-tokeN", "right-token2"):
        for path in ("/v1/models", "/v1/completions", "/x"):
            for method in ("GET", "POST", *METHODS):
                answer = served.send(Attack(method, path), token)
                assert answer is not None
                assert answer.status_code == 401


@pytest.mark.parametrize("host", HOSTS)
def test_a_rebound_name_is_refused(served: Served, host: str) -> None:
    for path in ("/health", "/v1/models"):
        answer = served.send(Attack("GET", path, {"host": host}))
        assert answer is None or answer.status_code == 400


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_foreign_origin_is_refused(served: Served, origin: str) -> None:
    for path in ("/health", "/v1/completions"):
        answer = served.send(Attack("POST", path, {"origin": origin}))
        assert answer is not None
        assert answer.status_code == 403


def test_a_body_that_is_too_long_is_refused(served: Served) -> None:
    answer = served.send(Attack("POST", "/v1/completions", body=b"a" * 1_000_001))
    assert answer is not None
    assert answer.status_code == 413


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_malformed_body_is_refused_and_breaks_nothing(served: Served, body: bytes) -> None:
    for kind in ("application/json", "text/plain", "a"):
        attack = Attack("POST", "/v1/completions", {"content-type": kind}, body)
        assert harmless(served.send(attack))


@settings(max_examples=200)
@given(requests(PATHS))
def test_a_fuzzed_request_breaks_nothing(served: Served, attack: Attack) -> None:
    assert harmless(served.send(attack))


@pytest.mark.slow
@settings(max_examples=5_000)
@given(requests(PATHS))
def test_five_thousand_fuzzed_requests_break_nothing(served: Served, attack: Attack) -> None:
    assert harmless(served.send(attack))
