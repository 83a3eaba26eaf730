"""The attack list against the page, with and without a password: nothing read, nothing breaks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from starlette.websockets import WebSocketDisconnect

from codetune_ui.core.config import Config
from codetune_ui.runs.store import Home
from codetune_ui.ui.page import build
from tests.attacks.attacks import (
    BODIES,
    HOSTS,
    METHODS,
    ORIGINS,
    PAGE_PATHS,
    PAGE_POSTS,
    SECRET,
    Attack,
    InvalidURL,
    reads,
    requests,
)

LOGIN = ("ann", "right")
# What may not end: streams are asked for by their own tests, and closed by the client.
STREAMS = ("/gradio_api/queue/data", "/gradio_api/heartbeat", "/gradio_api/upload_progress")


class Victim:
    """A page on a home with one run, links that lead out of it, and a secret outside."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside.html"
        self.outside.write_text(SECRET)
        self.home = Home(folder / "home")
        run = self.home.create_run(Config(), "amber-otter")
        (run.path / "evaluations").mkdir()
        if os.name == "posix":
            for name in ("link", "link.html", "link.json"):
                (run.path / "evaluations" / name).symlink_to(self.outside)
            (self.home.path / "tmp").mkdir()
            (self.home.path / "tmp" / "link").symlink_to(self.outside)
        self.client = TestClient(
            build(self.home), base_url="http://127.0.0.1:7860", follow_redirects=False
        )
        locked = build(self.home, host="0.0.0.0", auth=LOGIN)
        self.locked = TestClient(locked, base_url="http://127.0.0.1:7860", follow_redirects=False)

    def send(self, attack: Attack, client: TestClient | None = None) -> Any:
        """Send one; an exception in the page is raised here. None: httpx itself refused it."""
        try:
            request = (client or self.client).build_request(
                attack.method,
                f"http://127.0.0.1:7860{attack.path}",
                headers=attack.headers,
                content=attack.body,
            )
        except (ValueError, UnicodeError, InvalidURL):
            return None
        if request.url.path.startswith(STREAMS) and attack.method == "GET" and client is None:
            return None
        return (client or self.client).send(request)

    def files(self) -> dict[str, int]:
        return {
            str(path.relative_to(self.home.path)): path.lstat().st_mtime_ns
            for path in self.home.path.rglob("*")
            if "tmp" not in path.parts
        }


@pytest.fixture(scope="module")
def victim(
    tmp_path_factory: pytest.TempPathFactory,
    no_loop_left_open: None,  # noqa: ARG001 - before any page is built
) -> Iterator[Victim]:
    found = Victim(tmp_path_factory.mktemp("victim"))
    with found.client, found.locked:
        yield found


def harmless(answer: Any) -> bool:
    """Say whether an answer has read nothing outside the roots, and is no unhandled error."""
    if answer is None:
        return True
    assert SECRET not in answer.text
    assert "root:x:0" not in answer.text
    assert answer.status_code < 500, (answer.request.method, answer.request.url, answer.text[:300])
    return True


def test_no_route_reads_a_file_outside_the_roots(victim: Victim) -> None:
    before = victim.files()
    sent = [victim.send(one) for one in reads(PAGE_PATHS, str(victim.outside))]
    assert all(map(harmless, sent))
    assert len(sent) > 500
    assert victim.files() == before  # and none of them, all of them GET, has changed anything


def test_with_a_password_nothing_is_answered_without_it(victim: Victim) -> None:
    for path in (*PAGE_PATHS, *PAGE_POSTS, "/", "/config", "/ct/css/base.css", "/theme.css"):
        for method in ("GET", "POST", "PUT"):
            answer = victim.send(Attack(method, path.replace("{}", "x")), victim.locked)
            assert answer is not None
            assert answer.status_code == 401, path


@pytest.mark.parametrize("host", HOSTS)
def test_a_rebound_name_is_refused(victim: Victim, host: str) -> None:
    for path in ("/", "/ct-api/run", "/gradio_api/queue/data"):
        answer = victim.send(Attack("GET", path, {"host": host}))
        assert answer is None or answer.status_code == 400


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_foreign_origin_is_refused(victim: Victim, origin: str) -> None:
    for path in ("/ct-api/demo", "/gradio_api/upload", "/gradio_api/queue/join"):
        answer = victim.send(Attack("POST", path, {"origin": origin}))
        assert answer is not None
        assert answer.status_code == 403
    assert [run.name for run in victim.home.runs()] == ["amber-otter"]


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_method_is_refused(victim: Victim, method: str) -> None:
    for path in ("/", "/ct-api/run", "/ct-api/demo", "/gradio_api/upload", "/ct/css/base.css"):
        answer = victim.send(Attack(method, path))
        assert answer is not None
        assert answer.status_code in (404, 405)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_malformed_body_is_refused_and_breaks_nothing(victim: Victim, body: bytes) -> None:
    paths = ("/ct-api/evaluations", "/ct-api/evaluations/own", "/ct-api/runs/amber-otter/rename")
    for path in (*paths, "/gradio_api/run/predict", "/gradio_api/queue/join", "/gradio_api/upload"):
        for kind in ("application/json", "multipart/form-data; boundary=a", "text/plain"):
            assert harmless(victim.send(Attack("POST", path, {"content-type": kind}, body)))


def test_a_websocket_is_refused(victim: Victim) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        victim.client.websocket_connect("ws://127.0.0.1:7860/queue/join"),
    ):
        pass
    assert refused.value.code in (1000, 1008)  # closed before it was opened


def test_a_client_cannot_name_an_upload_that_it_did_not_send(victim: Victim) -> None:
    config = victim.client.get("/config").json()
    uploads = {part["id"] for part in config["components"] if part["type"] == "uploadbutton"}
    handlers = [one for one in config["dependencies"] if uploads & set(one["inputs"])]
    assert handlers
    for one in handlers:
        path = {"path": str(victim.outside), "meta": {"_type": "gradio.FileData"}}
        data = [path if number in uploads else None for number in one["inputs"]]
        body = {"data": data, "fn_index": one["id"], "session_hash": "a"}
        answer = victim.client.post("/gradio_api/run/predict", json=body)
        assert SECRET not in answer.text
        assert answer.status_code != 200
    assert victim.outside.read_text() == SECRET  # neither read nor moved
    assert not list(victim.home.path.rglob("kept/*"))


VALUES: tuple[Any, ...] = (
    *(
        None,
        "",
        [],
        {},
        "x" * 50,
        -1,
        2**70,
        1e308,
        True,
        "../../etc/passwd",
        [[1]],
        "\0",
        "\ud800",
    ),
)


def test_values_that_no_widget_sends_are_told_as_wrong(victim: Victim) -> None:
    config = victim.client.get("/config").json()
    calls = [("run/predict", {"fn_index": one["id"]}, one) for one in config["dependencies"]]
    parts = [one["id"] for one in config["components"] if one["type"] == "html"]
    for number in parts:
        for name in ("look", "ask", "__init__", "../x"):
            call = {"component_id": number, "fn_name": name}
            calls.append(("component_server/", call, {"inputs": [0]}))
    for turn, (route, call, one) in enumerate(calls):
        data = [VALUES[(turn * 7 + place) % len(VALUES)] for place, _ in enumerate(one["inputs"])]
        body = json.dumps({"data": data, "session_hash": "a", **call}).encode()
        attack = Attack("POST", f"/gradio_api/{route}", {"content-type": "application/json"}, body)
        assert harmless(victim.send(attack))
    assert [run.name for run in victim.home.runs()] == ["amber-otter"]


def fuzz(victim: Victim, attack: Attack) -> None:
    if attack.path.startswith("/ct-api/demo"):
        return  # a right request starts a training
    assert harmless(victim.send(attack))


@settings(max_examples=200)
@given(requests((*PAGE_PATHS, *PAGE_POSTS)))
def test_a_fuzzed_request_breaks_nothing(victim: Victim, attack: Attack) -> None:
    fuzz(victim, attack)


@pytest.mark.slow
@settings(max_examples=5_000)
@given(requests((*PAGE_PATHS, *PAGE_POSTS)))
def test_five_thousand_fuzzed_requests_break_nothing(victim: Victim, attack: Attack) -> None:
    fuzz(victim, attack)


def test_the_page_says_what_it_is_sure_of(victim: Victim) -> None:
    answer = victim.client.get("/ct-api/run")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert json.loads(answer.text)["names"] == ["amber-otter"]
