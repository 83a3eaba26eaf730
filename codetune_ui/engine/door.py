"""The door of the completion server: who may come in, and how large a request may be."""

from __future__ import annotations

import hmac

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from codetune_ui.engine.wires.common import refusal

BODY_BYTES = 1_000_000


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
            return refusal(path, 403, "Requests of other sites are refused.")
        scheme, _, given = heads.get("authorization", b"").partition(b" ")
        known = scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self.token)
        if path != "/health" and not known:
            return refusal(path, 401, "The bearer token is missing or wrong.")
        if method == "POST" and not (length := heads.get("content-length", b"")).isdigit():
            return refusal(path, 411, "The request does not say how long it is.")
        if method == "POST" and int(length) > BODY_BYTES:
            return refusal(path, 413, f"The request is longer than {BODY_BYTES:,} bytes.")
        return None
