"""Made-up requests over real connections to a server with a model: it answers, and stays there."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings

from tests.attacks.attacks import SERVER_PATHS, Attack, requests
from tests.engine.served import RUN, Served

WIRES = (
    *("/v1/completions", "/v1/fim/completions", "/infill", "/api/generate", "/api/show"),
    *("/api/tags", "/v1/models", "/v1/health", "/props", "/health", "/codetune/requests"),
)
REQUESTS = requests((*SERVER_PATHS, *WIRES, *WIRES))


def attack(served: Served, made: Attack) -> None:
    """Send a request; it is refused or answered, whatever it is."""
    try:
        reply = served.http.request(
            made.method, made.path, headers=made.headers, content=made.body, timeout=30
        )
    except (httpx.InvalidURL, httpx.LocalProtocolError, ValueError):
        return  # what no client can put on a wire
    assert reply.status_code < 500, (made, reply.text[:300])


@settings(max_examples=150)
@given(REQUESTS)
def test_a_made_up_request_is_answered(served: Served, made: Attack) -> None:
    attack(served, made)


@pytest.mark.slow
@settings(max_examples=5_000)
@given(REQUESTS)
def test_five_thousand_made_up_requests_are_answered(served: Served, made: Attack) -> None:
    attack(served, made)


def test_after_all_that_it_fills_holes_as_before(served: Served) -> None:
    assert len(served.text(RUN)) > 0
    assert served.text(RUN) == served.text(RUN)
