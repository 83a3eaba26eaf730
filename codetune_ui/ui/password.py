"""A name and a password (HTTP Basic) before anything is answered, and no endless guessing."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import deque

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from codetune_ui.ui.headers import headers_of

CHALLENGE = {"WWW-Authenticate": 'Basic realm="CodeTune UI", charset="UTF-8"'}
WINDOW_S = 60.0
MOST_WRONG = 10  # guesses in the window from one address
MOST_WRONG_IN_ALL = 60  # and from all of them
LONGEST = 1024  # characters of a header that is looked at


class Password:
    """Lets in who knows the password; the password itself is not kept, only its scrypt hash."""

    def __init__(self, app: ASGIApp, *, user: str, password: str) -> None:
        self.app = app
        self._salt = secrets.token_bytes(16)
        self._hash = self._scrypt(f"{user}:{password}".encode())
        # scrypt takes 50 ms by design, and a browser sends the password with every request: what
        # was once found right is known again by a keyed digest.
        self._key = secrets.token_bytes(32)
        self._seen = b""
        self._wrong: dict[str, deque[float]] = {}
        self._one_by_one = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 to who does not know the password, 429 to who guesses; hand on the rest."""
        if scope["type"] in ("http", "websocket"):
            status = await self._status(scope)
            if status != 200:
                heads = CHALLENGE if status == 401 else {"Retry-After": str(int(WINDOW_S))}
                words = "password wanted" if status == 401 else "too many wrong passwords"
                return await PlainTextResponse(words, status, heads)(scope, receive, send)
        return await self.app(scope, receive, send)

    async def _status(self, scope: Scope) -> int:
        given = _given(headers_of(scope).get("authorization", ""))
        if given is None:
            return 401
        digest = hmac.digest(self._key, given, "sha256")
        if hmac.compare_digest(digest, self._seen):
            return 200
        address = _address(scope)
        async with self._one_by_one:  # a burst of guesses takes one core at most, 16 MB at most
            if self._guessed_too_often(address):
                return 429
            found = await asyncio.to_thread(self._scrypt, given)
            if hmac.compare_digest(found, self._hash):
                self._seen = digest
                return 200
            self._wrong.setdefault(address, deque()).append(time.monotonic())
        return 401

    def _guessed_too_often(self, address: str) -> bool:
        since = time.monotonic() - WINDOW_S
        for known in list(self._wrong):
            times = self._wrong[known]
            while times and times[0] < since:
                times.popleft()
            if not times:
                del self._wrong[known]
        in_all = sum(map(len, self._wrong.values()))
        return in_all >= MOST_WRONG_IN_ALL or len(self._wrong.get(address, ())) >= MOST_WRONG

    def _scrypt(self, text: bytes) -> bytes:
        return hashlib.scrypt(text, salt=self._salt, n=2**14, r=8, p=1)


def _given(header: str) -> bytes | None:
    """Return NAME:PASSWORD as it was sent; None when there is none."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic" or len(token) > LONGEST:
        return None
    try:
        return base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return None


def _address(scope: Scope) -> str:
    """Return who asks; of IPv6 the network, in which one machine has as many as it likes."""
    text = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if address.version == 6 and not address.is_loopback:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
