"""What the protocols share: an event of a stream, an error in each one's own form, and holes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from codetune_ui.core.completion import Ask
from codetune_ui.core.templates import read_template

KINDS = {401: "authentication_error", 404: "not_found_error", 503: "unavailable_error"}
RETRY_S = 1  # what is said to those who come when too many wait

MaybeTemperature = Field(default=None, ge=0, le=10)
MaybeTopP = Field(default=None, gt=0, le=1)
MaybeSeed = Field(default=None, ge=-(2**63), lt=2**63)


class File(BaseModel):
    """A file that the one being written is read with."""

    filename: str = Field(max_length=1000)
    text: str


def event(data: dict[str, Any] | str) -> bytes:
    r"""Return one server-sent event; never a comment, which some editors take for the end.

    >>> event({"a": "é"})
    b'data: {"a":"\xc3\xa9"}\n\n'
    """
    return b"data: " + (data.encode() if isinstance(data, str) else packed(data)) + b"\n\n"


def packed(data: dict[str, Any]) -> bytes:
    """Return an object as JSON in one line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def stops(given: str | list[str] | None) -> tuple[str, ...]:
    """Return stop strings as an editor gives them: none, one or any number."""
    return (given,) if isinstance(given, str) else tuple(given or ())


def hole(prefix: str, suffix: str | None) -> tuple[str, str | None]:
    """Return prefix and suffix as `Ask` has them.

    Without a suffix, a prompt that the editor wrote in some family's tokens is read back.
    """
    if suffix is None and (found := read_template(prefix)) is not None:
        return found
    return prefix, suffix


def plain_ends(ask: Ask) -> tuple[Ask, bool]:
    r"""Return a request with \n for \r\n, as the model was trained, and whether there were any."""
    if "\r\n" not in ask.prefix and "\r\n" not in (ask.suffix or ""):
        return ask, False
    suffix = None if ask.suffix is None else ask.suffix.replace("\r\n", "\n")
    stop = tuple(text.replace("\r\n", "\n") for text in ask.stop)
    return replace(ask, prefix=ask.prefix.replace("\r\n", "\n"), suffix=suffix, stop=stop), True


# --- errors


def refusal(path: str, status: int, message: str) -> JSONResponse:
    """Return an error in the form of the protocol that a path belongs to."""
    headers = {"Retry-After": str(RETRY_S)} if status == 503 else None
    return JSONResponse(error_of(path, status, message), status, headers)


def error_of(path: str, status: int, message: str) -> dict[str, Any]:
    """Return an error's object: OpenAI's form wherever no other protocol is spoken."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    if path.startswith("/api/"):  # Ollama
        return {"error": message}
    if path in ("/infill", "/props", "/health"):  # llama.cpp
        return {"error": {"code": status, "message": message, "type": kind}}
    if path.startswith("/v1/fim/"):  # Mistral; its "code" is a text or null
        return {"object": "error", "message": message, "type": kind, "param": None, "code": None}
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}
