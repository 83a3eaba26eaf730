"""The routes of the completion server: what it tells of itself, and a way in per protocol."""

from __future__ import annotations

import secrets
import time
from pathlib import PurePath
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from codetune_ui.core.errors import CodeTuneError, MachineError, RunError
from codetune_ui.engine.asked import WARM_UP, Asked, Listening
from codetune_ui.engine.desk import Desk
from codetune_ui.engine.door import Door
from codetune_ui.engine.talk import Talk
from codetune_ui.engine.wires import llama, mistral, ollama, openai, tabby
from codetune_ui.engine.wires.common import error_of, refusal

ASKED = {"/v1/completions", "/v1/fim/completions", "/infill", "/api/generate"}


def build_app(desk: Desk, token: str, port: int) -> FastAPI:
    """Return the server's application: its routes, with the door in front."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    origins = {f"http://127.0.0.1:{port}", f"http://localhost:{port}"}
    asked = Asked(ASKED)
    app.add_middleware(Door, token=token, origins=origins)
    app.add_middleware(Listening, asked=asked)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CodeTuneError, _told)
    app.add_exception_handler(HTTPException, _unknown)
    _openai(app, desk)
    _tabby(app, desk)
    _llama(app, desk)
    _mistral(app, desk)
    _ollama(app, desk)

    @app.get("/codetune/requests")
    def requests() -> dict[str, Any]:
        return {"now": time.time(), "requests": asked.told()}

    return app


# --- OpenAI, and Tabby on the same path


def _openai(app: FastAPI, desk: Desk) -> None:
    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        n_ctx = desk.context_tokens
        common = {
            "object": "model",
            "created": int(time.time()),
            "owned_by": "codetune",
            "meta": {"n_ctx_train": n_ctx} if n_ctx else None,
            "max_model_len": n_ctx or None,
        }
        return {"object": "list", "data": [{"id": name, **common} for name in desk.models()]}

    @app.post("/v1/completions")
    async def completions(body: openai.Body | tabby.Body, request: Request) -> Response:
        identity = f"cmpl-{secrets.token_hex(12)}"
        if isinstance(body, tabby.Body):
            (chunk,) = await Talk(desk, request, "").whole([body.ask()])
            return JSONResponse(tabby.reply(identity, chunk))
        talk = Talk(desk, request, body.model or "")
        form = openai.Form(identity, talk.model, body.stream_options if body.stream else None)
        if body.stream:
            return await talk.stream(body.ask(), form)
        (chunk,) = await talk.whole([body.ask()])
        return JSONResponse(form.whole(chunk))


def _tabby(app: FastAPI, desk: Desk) -> None:
    @app.api_route("/v1/health", methods=["GET", "POST"])
    def health() -> dict[str, Any]:
        return tabby.health(desk.default, desk.device)

    @app.get("/v1beta/server_setting")
    def setting() -> dict[str, Any]:
        return {"disable_client_side_telemetry": True}

    @app.post("/v1/events")
    def events() -> Response:
        return Response(status_code=200)  # what a person does with an answer is not written down


# --- llama.cpp


def _llama(app: FastAPI, desk: Desk) -> None:
    @app.get("/health")
    def health() -> JSONResponse:
        return _health(desk)

    @app.get("/props")
    def props() -> dict[str, Any]:
        return llama.props(desk.default, desk.context_tokens, desk.rows)

    @app.post("/infill")
    async def infill(body: llama.Body, request: Request) -> Response:
        talk = Talk(desk, request, body.model or "")
        if body.is_warm_up:
            request.state.note.ended = WARM_UP
            return JSONResponse(body.reply(talk.model, [llama.EMPTY]))
        asks = body.asks()
        if body.stream and len(asks) == 1:
            return await talk.stream(asks[0], llama.Form(talk.model, body))
        return JSONResponse(body.reply(talk.model, await talk.whole(asks)))


def _health(desk: Desk) -> JSONResponse:
    ready = desk.completer is not None
    about = {
        "status": "ok" if ready else "loading",
        "base_model": PurePath(desk.config.base_model).name,  # a whole path names its owner
        "models": desk.models(),
        "generated_tokens": desk.completer.generated if desk.completer else 0,
    }
    if not ready:
        about |= error_of("/health", 503, "Loading model")
    return JSONResponse(about, status_code=200 if ready else 503)


# --- Mistral


def _mistral(app: FastAPI, desk: Desk) -> None:
    @app.post("/v1/fim/completions")
    async def fim(body: mistral.Body, request: Request) -> Response:
        talk = Talk(desk, request, body.model or "")
        form = mistral.Form(secrets.token_hex(16), talk.model)
        if body.stream:
            return await talk.stream(body.ask(), form)
        (chunk,) = await talk.whole([body.ask()])
        return JSONResponse(form.whole(chunk))


# --- Ollama


def _ollama(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/version")
    def version() -> dict[str, Any]:
        return {"version": ollama.SPOKEN}

    @app.get("/api/tags")
    def tags() -> dict[str, Any]:
        return ollama.tags(desk.sizes(), desk.family(None)[0])

    @app.post("/api/show")
    def show(body: ollama.Named) -> dict[str, Any]:
        run = desk.find(ollama.plain_name(body.model or body.name))
        family, template = desk.family(run)
        return ollama.show(template, family, desk.context_tokens)

    @app.post("/api/generate")
    async def generate(body: ollama.Body, request: Request) -> Response:
        talk = Talk(desk, request, ollama.plain_name(body.model))
        form = ollama.Form(body.model)
        if body.is_load:
            request.state.note.ended = WARM_UP
            return JSONResponse(form.loaded())
        if body.stream is None or body.stream:
            return await talk.stream(body.ask(), form)
        (chunk,) = await talk.whole([body.ask()])
        return JSONResponse(form.whole(chunk))


# --- errors, each in its protocol's form


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "Body"))
    told = f"{where}: {first['msg']}" if where else str(first["msg"])
    return refusal(request.url.path, 400, told)


async def _told(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, RunError) else 400
    if isinstance(error, MachineError):
        status = 503
    return refusal(request.url.path, status, str(error))


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(request.url.path, error.status_code, str(error.detail))
