"""What stands in front of every route: no foreign site may use a person's browser against us."""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


def add_guards(api: FastAPI, host: str, auth: tuple[str, str] | None) -> None:
    """Put the checks before all routes, own ones and Gradio's: Host, then Origin, then password."""
    if auth is not None:
        api.add_middleware(Password, user=auth[0], password=auth[1])
    api.add_middleware(SameOriginOnly)
    if host in LOOPBACK:  # a name that a foreign site resolves to us is refused (DNS rebinding)
        api.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK[:2]))


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
        head = _headers(scope)
        if "origin" in head and urlsplit(head["origin"]).netloc != head.get("host"):
            return True
        link = scope.get("method") in ("GET", "HEAD") and head.get("sec-fetch-mode") == "navigate"
        return head.get("sec-fetch-site") in ("cross-site", "same-site") and not link


class Password:
    """Ask for a name and a password (HTTP Basic) before anything is answered."""

    def __init__(self, app: ASGIApp, *, user: str, password: str) -> None:
        self.app = app
        self.expected = f"{user}:{password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 to who does not know the password, hand on the rest."""
        if scope["type"] in ("http", "websocket") and not self._known(scope):
            challenge = {"WWW-Authenticate": 'Basic realm="CodeTune UI", charset="UTF-8"'}
            refusal = PlainTextResponse("password wanted", 401, challenge)
            return await refusal(scope, receive, send)
        return await self.app(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        scheme, _, token = _headers(scope).get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(token, validate=True)
        except binascii.Error:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, self.expected)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
