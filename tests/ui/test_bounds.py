"""Bodies that come slowly, or never end, told message by message as a server tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from codetune_ui.engine import door
from codetune_ui.ui import bounds

PIECE: Message = {"type": "http.request", "body": b"ab", "more_body": True}
LAST: Message = {"type": "http.request", "body": b"c", "more_body": False}
NEVER = None
TOKEN = "right"


async def length(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that reads a body and tells how long it was; it hides why a body broke off."""
    try:
        words, status = str(len(await Request(scope, receive).body())), 200
    except bounds.RefusedError:
        words, status = "There was an error parsing the body", 400
    await PlainTextResponse(words, status)(scope, receive, send)


def ask(app: Any, messages: Sequence[Message | None]) -> tuple[int, bytes]:
    """Return status and body of the answer to a request that comes in these messages."""
    coming, sent = list(messages), []

    async def receive() -> Message:
        message = coming.pop(0) if coming else NEVER
        if message is NEVER:
            await asyncio.sleep(3600)
        assert message is not None
        return message

    async def send(message: Message) -> None:
        sent.append(message)

    heads = [(b"content-length", b"3"), (b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/completions", "headers": heads}
    asyncio.run(app(scope, receive, send))
    assert [message["type"] for message in sent].count("http.response.start") == 1
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.fixture(params=["page", "server"])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(bounds, "QUIET_S", 0.05)
    monkeypatch.setattr(door, "BODY_S", 0.05)
    return bounds.Bounded(length) if request.param == "page" else door.Door(length, TOKEN, set())


def test_a_body_in_pieces_is_handed_on(app: Any) -> None:
    assert ask(app, [PIECE, LAST]) == (200, b"3")


def test_a_body_that_stops_coming_is_ended_by_the_clock(app: Any) -> None:
    assert ask(app, [PIECE, NEVER])[0] == 408


def test_a_body_without_end_is_ended_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_BODY", 5)
    assert ask(bounds.Bounded(length), [PIECE] * 9) == (413, b"More than 5 bytes.")
