"""What stands in front of every route: no foreign site may use a person's browser against us."""

from __future__ import annotations

import ipaddress
import re
import socket
import traceback
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codetune_ui.ui.bounds import Bounded, RefusedError
from codetune_ui.ui.headers import SafeHeaders, headers_of
from codetune_ui.ui.password import Password

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
# The routes that the page uses, ours and Gradio's. All others are closed: Gradio's file server,
# proxy, login, deep links, monitoring, recording, code editing, and what a later version adds.
OPEN = {
    "GET": r"/|/config/?|/(gradio_api/)?theme\.css|/(favicon\.ico|manifest\.json|robots\.txt)"
    r"|/pwa_icon(/\d+)?|/(assets|static|svelte|ct|ct-api)/[^\\]*|/ct-api/evaluations"
    r"|/gradio_api/(info/?|app_id/?|startup-events|queue/data|upload_progress"
    r"|heartbeat/\w+)",
    "POST": r"/ct-api/[^\\]*|/gradio_api/(queue/join|run/predict|component_server/?|upload"
    r"|cancel|reset/?)",
}
ROUTES = {method: re.compile(pattern) for method, pattern in OPEN.items()}
ROUTES["HEAD"] = ROUTES["GET"]


def add_guards(
    api: FastAPI, host: str, auth: tuple[str, str] | None, uploads: Path | None = None
) -> None:
    """Put the checks before all routes, own ones and Gradio's.

    In this order: safe headers on every answer, Host, Origin, password, the routes that are open,
    how much is sent. uploads: where Gradio puts what a browser sends.
    """
    api.add_middleware(WrongValuesTold)
    api.add_middleware(Bounded, folder=uploads)
    api.add_middleware(OpenRoutesOnly)
    if auth is not None:
        api.add_middleware(Password, user=auth[0], password=auth[1])
    api.add_middleware(SameOriginOnly)
    api.add_middleware(KnownHostOnly, host=host)
    api.add_middleware(SafeHeaders)


def answer_plainly(api: FastAPI) -> None:
    """Let a malformed request be answered with a sentence, by us and by what is mounted in us.

    FastAPI sends what was malformed back as JSON, and fails where it is no JSON: bytes, NaN.
    """
    mounted = [route.app for route in api.routes if isinstance(route, Mount)]
    for one in (api, *mounted):
        if isinstance(one, FastAPI):
            one.add_exception_handler(RequestValidationError, _malformed)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    words = f"{where}: {first['msg']}".encode("utf-8", "replace").decode()
    return JSONResponse({"detail": words}, status_code=422)


class KnownHostOnly:
    """Refuse a name that a foreign site had resolved to us (DNS rebinding).

    On loopback only loopback's names are ours. Else an address is (a site has a name, no
    number), and so are this machine's own name and the one given with --host.
    """

    def __init__(self, app: ASGIApp, *, host: str) -> None:
        self.app = app
        self.open = host not in LOOPBACK
        own = {"localhost", host.lower()}
        if self.open:
            name = socket.gethostname().lower()
            own |= {name, f"{name}.local", socket.getfqdn().lower()}
        self.names = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 to a foreign name, hand on the rest."""
        if scope["type"] in ("http", "websocket") and not self._ours(scope):
            words = "This page does not answer to that name. Use its address, or --host NAME."
            return await PlainTextResponse(words, 400)(scope, receive, send)
        return await self.app(scope, receive, send)

    def _ours(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1 or b"@" in given[0] or b"/" in given[0]:
            return False
        try:
            name = urlsplit(f"//{given[0].decode('ascii')}").hostname or ""
        except ValueError:
            return False
        return name in self.names or self._address(name)

    def _address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.open or str(address) in LOOPBACK


class SameOriginOnly:
    """Refuse what another site's page makes the browser send; let links to the page through.

    Gradio alone answers a foreign page's uploads and `component_server` posts.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to a foreign request, hand on any other."""
        if scope["type"] in ("http", "websocket") and self._foreign(scope):
            refusal = PlainTextResponse("cross-origin request refused", 403)
            return await refusal(scope, receive, send)
        return await self.app(scope, receive, send)

    def _foreign(self, scope: Scope) -> bool:
        head = headers_of(scope)
        if "origin" in head and not _same(head["origin"], head.get("host", "")):
            return True
        if head.get("sec-fetch-site") not in ("cross-site", "same-site"):
            return False
        opened = scope.get("method") in ("GET", "HEAD") and scope["path"] == "/"
        return not (
            opened
            and head.get("sec-fetch-mode") == "navigate"
            and head.get("sec-fetch-dest", "document") == "document"  # in no frame of theirs
        )


def _same(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc == host


class OpenRoutesOnly:
    """Close every route that the page does not use; there are no websockets."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404 to what is closed, 405 to a wrong method, hand on the rest."""
        if scope["type"] == "http" and (status := self._refused(scope["method"], scope["path"])):
            return await PlainTextResponse("", status)(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await self.app(scope, receive, send)

    def _refused(self, method: str, path: str) -> int:
        if ".." in path.split("/") or "\0" in path:
            return 404
        if any(one.fullmatch(path) for one in ROUTES.values()):
            return 0 if method in ROUTES and ROUTES[method].fullmatch(path) else 405
        return 404


class WrongValuesTold:
    """Answers 422 where Gradio says 500, or breaks: to values that no widget of the page sends.

    What was raised stands in the log, as before: it may be a fault of ours.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on; the answer's body is left as it is."""
        if scope["type"] != "http" or not scope["path"].startswith("/gradio_api/"):
            return await self.app(scope, receive, send)
        begun = failed = False

        async def told(message: Message) -> None:
            nonlocal begun, failed
            begun = True
            if message.get("status") == 500:
                failed = True
                message = {**message, "status": 422}
            await send(message)

        try:
            return await self.app(scope, receive, told)
        except RefusedError:
            raise
        except Exception:  # the last one before the client
            if begun and not failed:
                raise
            traceback.print_exc()
            if failed:  # Gradio has answered, and raises what it answered once more
                return None
            words = JSONResponse({"error": "This request cannot be answered."}, 422)
            return await words(scope, receive, send)
