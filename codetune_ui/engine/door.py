"""The door of the completion server: who may come in, and how large a request may be."""

from __future__ import annotations

import asyncio
import hmac

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codetune_ui.engine.wires.common import refusal

BODY_BYTES = 1_000_000
BODY_S = 10.0  # in which a request has to have come: none is longer than a megabyte


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
        if refused is None and scope["method"] == "POST":
            try:
                receive = await _come(receive)
            except TimeoutError:
                refused = refusal(scope["path"], 408, f"It did not come within {BODY_S:.0f} s.")
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


async def _come(receive: Receive) -> Receive:
    """Wait for a whole body; return what hands it on. Raises `TimeoutError`."""
    came: list[Message] = []
    async with asyncio.timeout(BODY_S):
        while not came or came[-1].get("more_body", False):
            came.append(await receive())
    came.reverse()

    async def handed_on() -> Message:
        return came.pop() if came else await receive()

    return handed_on
