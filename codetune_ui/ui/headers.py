"""Headers on every answer: what a browser may load, where it may send, who may frame the page."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
# Left open, because Gradio needs it: scripts made from text (it compiles `js_on_load`) and styles
# in the page. Closed: scripts written into the page later, event handlers in HTML, and any
# request to another machine, whatever runs.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'{scripts}; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def headers_of(scope: Scope) -> dict[str, str]:
    """Return a request's headers by name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


class SafeHeaders:
    """Adds the headers; a page of HTML may run the scripts it came with, by their hashes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, and its answer back with the headers."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        return await self.app(scope, receive, _Adding(send).send)


class _Adding:
    """One answer on its way out. HTML is held back until it is whole, all else goes at once."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in ALWAYS.items():
                headers.setdefault(name, value)
            html = headers.get("content-type", "").startswith("text/html")
            if html and "content-security-policy" not in headers:
                self._start = message
                return
            headers.setdefault("content-security-policy", "default-src 'none'; sandbox")
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            await self._whole()

    async def _whole(self) -> None:
        assert self._start is not None
        policy = POLICY.format(scripts="".join(f" '{one}'" for one in hashes(self._body)))
        MutableHeaders(scope=self._start)["content-security-policy"] = policy
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})


def hashes(page: bytes) -> list[str]:
    """Return the inline scripts of a page as a content security policy names them.

    >>> hashes(b"<script>1</script><script src='/a.js'></script>")
    ['sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=']
    """
    found = {hashlib.sha256(script).digest() for script in INLINE.findall(page)}
    return sorted(f"sha256-{base64.b64encode(one).decode()}" for one in found)
