"""Many editors at one server: refusals in each protocol's form, several at once, leaving early."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from codetune_ui.engine.wires.common import refusal
from codetune_ui.runs.client import CompletionClient
from tests.engine.served import FIM, PREFIX, RUN, Served

# --- refusals, each in its protocol's form


@pytest.mark.parametrize(
    ("path", "body", "form"),
    [
        ("/v1/completions", {"prompt": "a"}, {"error": {"message", "type", "param", "code"}}),
        ("/infill", {"input_prefix": "a"}, {"error": {"code", "message", "type"}}),
        ("/v1/fim/completions", {"prompt": "a"}, {"object", "message", "type", "param", "code"}),
        ("/api/generate", {"prompt": "a"}, {"error"}),
        ("/api/show", {}, {"error"}),
    ],
)
def test_an_unknown_model_is_not_found(
    served: Served, path: str, body: dict[str, Any], form: Any
) -> None:
    reply = served.http.post(path, json={**body, "model": "gpt-4"})
    assert reply.status_code == 404
    found = reply.json()
    if isinstance(form, dict):
        assert set(found["error"]) == form["error"]
    else:
        assert set(found) == form
    refused = served.http.post(path, json=body, headers={"Authorization": "Bearer no"})
    assert refused.status_code == 401
    assert set(refused.json()) == set(found)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/v1/completions",
            b'{"error":{"message":"Wait.","type":"unavailable_error","param":null,"code":503}}',
        ),
        ("/infill", b'{"error":{"code":503,"message":"Wait.","type":"unavailable_error"}}'),
        (
            "/v1/fim/completions",
            b'{"object":"error","message":"Wait.","type":"unavailable_error","param":null,"code":null}',
        ),
        ("/api/generate", b'{"error":"Wait."}'),
    ],
)
def test_who_comes_when_too_many_wait_is_told_when_to_come_again(path: str, body: bytes) -> None:
    reply = refusal(path, 503, "Wait.")
    assert reply.body == body
    assert reply.headers["retry-after"] == "1"


# --- at once, leaving early, and what is told of it


def test_two_adapters_are_written_side_by_side(served: Served) -> None:
    names = (RUN, "codetune-brisk-finch")
    alone = [served.text(name, 100) for name in names]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda name: served.text(name, 100), names)) == alone
    assert alone[0] != alone[1]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/infill", {"input_prefix": "x", "n_predict": 256}),
        ("/v1/fim/completions", {"prompt": "x", "suffix": "y", "max_tokens": 256}),
        ("/api/generate", {"model": "base", "prompt": "x", "stream": False}),
        ("/api/generate", {"model": "base", "prompt": "x"}),
    ],
)
def test_a_socket_that_closes_ends_the_writing(
    served: Served, path: str, body: dict[str, Any]
) -> None:
    before = served.generated()
    sent = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {served.state.token}\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.state.port)) as line:
        line.sendall(head.encode() + sent)
        while served.generated() == before:  # it has begun
            time.sleep(0.005)
    counts = [served.generated()]
    while len(counts) < 3 or counts[-1] != counts[-3]:
        time.sleep(0.1)
        counts.append(served.generated())
    assert counts[-1] - before < 256
    ended = [one["ended"] for one in served.http.get("/codetune/requests").json()["requests"]]
    assert ended[0] == "cancelled"


def test_what_an_editor_asked_is_told_without_its_code(served: Served) -> None:
    head = {"User-Agent": "node-fetch/1.0", "x-api-key": "t"}
    served.http.post("/v1/fim/completions", json=FIM, headers=head)
    reply = served.http.get("/codetune/requests")
    noted = reply.json()["requests"][0]
    assert noted["editor"] == "Continue"
    assert noted["path"] == "/v1/fim/completions"
    assert noted["model"] == RUN
    assert noted["status"] == 200
    assert noted["tokens"] == 8
    assert noted["ended"] == "length"
    assert noted["ms"] >= noted["ms_first_token"] > 0
    assert PREFIX not in reply.text
    assert CompletionClient(served.state).requests()[0] == noted


def test_a_refused_editor_is_noted_too(served: Served) -> None:
    served.http.post("/infill", json={}, headers={"Authorization": "", "User-Agent": "curl/8"})
    noted = served.http.get("/codetune/requests").json()["requests"][0]
    assert (noted["editor"], noted["status"], noted["ended"]) == ("llama.vim", 401, "refused")


def test_sixteen_who_type_at_once_are_all_answered(served: Served) -> None:
    def typed(number: int) -> list[int]:
        url, head = str(served.http.base_url), dict(served.http.headers)
        with httpx.Client(base_url=url, headers=head, timeout=120, trust_env=False) as http:
            texts = ["", "a", "ab"]
            bodies = [
                {"prompt": f"x{number} = {text}", "suffix": "\n", "max_tokens": 4} for text in texts
            ]
            return [http.post("/v1/completions", json=body).status_code for body in bodies]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(typed, range(16)))
    assert found == [[200, 200, 200]] * 16
