"""The shapes of the OpenAI completions protocol, and the door in front of it."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from codetune_ui.core.completion import MAX_TOKENS, Ask, Chunk
from codetune_ui.core.neighbours import Neighbour

BODY_BYTES = 1_000_000
KINDS = {401: "authentication_error", 404: "not_found_error", 503: "unavailable_error"}


class File(BaseModel):
    """A file that the one being written is read with."""

    filename: str = Field(max_length=1000)
    text: str


class Body(BaseModel):
    """What `POST /v1/completions` takes; fields it does not know are ignored."""

    model: str = "base"
    prompt: str
    suffix: str | None = None
    max_tokens: int = Field(default=128, ge=0)
    temperature: float = Field(default=0.0, ge=0, le=10)
    top_p: float = Field(default=1.0, gt=0, le=1)
    stop: str | list[str] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    n: int = Field(default=1, ge=1, le=1)
    stream: bool = False
    path: str = Field(default="", max_length=1000)
    repo: str = Field(default="", max_length=200)
    input_extra: list[File] = Field(default_factory=list, max_length=100)
    context_tokens: int | None = Field(default=None, ge=0)

    def ask(self) -> Ask:
        """Return what the model is asked; too many tokens are cut to what is allowed."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Ask(
            prefix=self.prompt,
            suffix=self.suffix,
            max_tokens=min(self.max_tokens, MAX_TOKENS),
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=tuple(stop),
            path=self.path,
            repo=self.repo,
            extra=tuple(Neighbour(file.filename, file.text) for file in self.input_extra),
            context_tokens=self.context_tokens,
        )


def refusal(status: int, message: str) -> JSONResponse:
    """Return an error in the protocol's shape."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": None, "code": status}
    return JSONResponse({"error": error}, status_code=status)


def answer(identity: str, model: str, chunk: Chunk) -> dict[str, Any]:
    """Return one object of a stream, or the whole reply: they have the same shape."""
    finish = {"": None, "cancelled": "stop"}.get(chunk.finish, chunk.finish)
    choice = {"index": 0, "text": chunk.text, "logprobs": None, "finish_reason": finish}
    found: dict[str, Any] = {
        "id": identity,
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
    }
    if (timings := chunk.timings) is not None:
        found["usage"] = {
            "prompt_tokens": timings.prompt_tokens,
            "completion_tokens": timings.tokens,
            "total_tokens": timings.prompt_tokens + timings.tokens,
        }
        found["timings"] = timings.to_dict()
        found["mode"] = chunk.mode
    return found


def event(data: dict[str, Any] | str) -> bytes:
    r"""Return one server-sent event; never a comment, which some editors take for the end.

    >>> event({"a": "é"})
    b'data: {"a":"\xc3\xa9"}\n\n'
    """
    text = (
        data
        if isinstance(data, str)
        else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    )
    return f"data: {text}\n\n".encode("utf-8", "replace")


class Door:
    """Lets in who knows the token, is no web page of another site, and sends no huge body."""

    def __init__(self, app: ASGIApp, token: str, origins: set[str]) -> None:
        self.app = app
        self.token = token.encode()
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        heads = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        refused = self._refuse(scope["method"], scope["path"], heads)
        await (refused or self.app)(scope, receive, send)

    def _refuse(self, method: str, path: str, heads: dict[str, bytes]) -> JSONResponse | None:
        origin = heads.get("origin")
        if origin is not None and origin.decode("latin-1") not in self.origins:
            return refusal(403, "Requests of other sites are refused.")
        scheme, _, given = heads.get("authorization", b"").partition(b" ")
        known = scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self.token)
        if path != "/health" and not known:
            return refusal(401, "The bearer token is missing or wrong.")
        if method == "POST" and not (length := heads.get("content-length", b"")).isdigit():
            return refusal(411, "The request does not say how long it is.")
        if method == "POST" and int(length) > BODY_BYTES:
            return refusal(413, f"The request is longer than {BODY_BYTES:,} bytes.")
        return None
