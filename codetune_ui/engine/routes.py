"""The routes of the completion server: /health, /v1/models, /v1/completions."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from codetune_ui.core.completion import Chunk
from codetune_ui.core.errors import CodeTuneError, MachineError, RunError
from codetune_ui.engine.desk import Desk
from codetune_ui.engine.wire import Body, Door, answer, event, refusal

LISTEN_S = 0.05  # between two looks at whether the client is still there
SSE_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def build_app(desk: Desk, token: str, port: int) -> FastAPI:
    """Return the server's application: its routes, with the door in front."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    origins = {f"http://127.0.0.1:{port}", f"http://localhost:{port}"}
    app.add_middleware(Door, token=token, origins=origins)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CodeTuneError, _told)

    @app.get("/health")
    def health() -> JSONResponse:
        return _health(desk)

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        common = {"object": "model", "created": int(time.time()), "owned_by": "codetune"}
        return {"object": "list", "data": [{"id": name, **common} for name in desk.models()]}

    @app.post("/v1/completions")
    async def completions(body: Body, request: Request) -> Response:
        return await _complete(desk, body, request)

    return app


def _health(desk: Desk) -> JSONResponse:
    ready = desk.completer is not None
    about = {
        "status": "ok" if ready else "loading",
        "base_model": PurePath(desk.config.base_model).name,  # a whole path names its owner
        "models": desk.models(),
        "generated_tokens": desk.completer.generated if desk.completer else 0,
    }
    return JSONResponse(about, status_code=200 if ready else 503)


async def _complete(desk: Desk, body: Body, request: Request) -> Response:
    run = desk.find(body.model)
    cancel = threading.Event()
    chunks = desk.answer(body.ask(), run, cancel)
    listener = asyncio.create_task(_listen(request, cancel))
    try:
        first = await anext(chunks)  # what is refused is refused with a status, not in the stream
    except BaseException:
        listener.cancel()
        raise
    identity = f"cmpl-{secrets.token_hex(12)}"
    if body.stream:
        events = _events(chunks, first, identity, body.model, listener)
        return StreamingResponse(events, media_type="text/event-stream", headers=SSE_HEADERS)
    try:
        found = [first, *[chunk async for chunk in chunks]]
    finally:
        listener.cancel()
    last = found[-1]
    text = "".join(chunk.text for chunk in found)
    whole = Chunk(text, last.tokens, last.finish, last.timings, last.mode)
    return JSONResponse(answer(identity, body.model, whole))


async def _listen(request: Request, cancel: threading.Event) -> None:
    """Set `cancel` once the client is gone; an editor leaves at every key that is pressed."""
    while not await request.is_disconnected():
        await asyncio.sleep(LISTEN_S)
    cancel.set()


async def _events(
    chunks: AsyncIterator[Chunk],
    first: Chunk,
    identity: str,
    model: str,
    listener: asyncio.Task[None],
) -> AsyncIterator[bytes]:
    try:
        yield event(answer(identity, model, first))
        async for chunk in chunks:
            yield event(answer(identity, model, chunk))
    except Exception as error:  # noqa: BLE001 - the status is sent, so the stream must tell it
        yield event({"error": {"message": _sentence(error), "type": "server_error", "code": 500}})
    else:
        yield event("[DONE]")
    finally:
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return refusal(400, f"{where}: {first['msg']}" if where else str(first["msg"]))


async def _told(_: Request, error: Exception) -> Response:
    if isinstance(error, MachineError):
        return refusal(503, str(error))
    return refusal(404 if isinstance(error, RunError) else 400, str(error))


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, CodeTuneError) else "The answer broke off."
